//! `rangefinder plan`: what one step runs, without a device.

use super::args;
use super::print;
use super::subject::Subject;
use crate::compile::compile;
use crate::error::Result;
use crate::ops::Loss;

pub(super) fn plan(args: &args::Plan) -> Result<()> {
    let subject = Subject::new(&args.subject)?;
    let options = subject.options.replicas(args.replicas);
    let plan = compile(&subject.model, Loss::CrossEntropy, &subject.optimizer, &options)?;
    print(&if args.bindings { format!("{plan:#}") } else { plan.to_string() })
}
