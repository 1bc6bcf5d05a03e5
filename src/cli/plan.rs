//! `rangefinder plan`: what one step runs, without a device.

use super::args::{self, ProfileName};
use super::print;
use super::subject::Subject;
use crate::Result;
use crate::compile;
use crate::{Loss, Profile};

pub(super) fn plan(args: &args::Plan) -> Result<()> {
    let subject = Subject::new(&args.subject)?;
    let profile = match args.profile {
        ProfileName::Portable => Profile::Portable,
        ProfileName::Tiled => Profile::Tiled,
        ProfileName::Broadcast => Profile::Broadcast,
        ProfileName::Mirrored => Profile::Mirrored,
    };
    let options = subject.options.replicas(args.replicas).profile(profile);
    let plan = compile(&subject.model, Loss::CrossEntropy, &subject.optimizer, &options)?;
    print(&if args.bindings { format!("{plan:#}") } else { plan.to_string() })
}
