//! `rangefinder plan`: what one step runs, without a device.

use super::args;
use super::print;
use super::subject::Subject;
use crate::Loss;
use crate::Result;
use crate::compile;

pub(super) fn plan(args: &args::Plan) -> Result<()> {
    let subject = Subject::new(&args.subject)?;
    let options = subject.options.replicas(args.replicas);
    let plan = compile(&subject.model, Loss::CrossEntropy, &subject.optimizer, &options)?;
    print(&if args.bindings { format!("{plan:#}") } else { plan.to_string() })
}
