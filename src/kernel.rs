//! The kernel table: every entry point, its file and its bindings. A test compares it with the shaders themselves.

/// How a kernel touches a binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Uniform,
    Read,
    Write,
}
use Access::{Read, Uniform, Write};

/// One row of the table.
pub(crate) struct Entry {
    pub kernel: Kernel,
    /// Entry point, pipeline label, row of the profile, word in the printed plan.
    pub name: &'static str,
    /// `shaders/<file>.wgsl`
    pub file: &'static str,
    /// Bindings beside 0, which is always `dims`, in the order in which a dispatch names its operands.
    pub bindings: &'static [(u32, &'static str, Access)],
}

macro_rules! kernels {
    ($($kernel:ident $name:literal $file:literal [$($index:literal $binding:literal $access:ident),* $(,)?])*) => {
        /// A compute entry point.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[allow(missing_docs, reason = "the shader named in the table is the documentation")]
        pub enum Kernel { $($kernel),* }

        /// In the order of the enum.
        pub(crate) const TABLE: &[Entry] = &[
            $(Entry { kernel: Kernel::$kernel, name: $name, file: $file, bindings: &[$(($index, $binding, $access)),*] }),*
        ];
    };
}

kernels! {
    Linear "linear" "linear" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "w" Read, 5 "bias" Read, 6 "y" Write]
    LinearDx "linear_dx" "linear" [3 "x" Read, 4 "w" Read, 7 "dy" Read, 8 "dx" Write]
    LinearDw "linear_dw" "linear" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 7 "dy" Read, 9 "dw" Write, 10 "dbias" Write]
    Conv2d "conv2d" "conv2d" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "w" Read, 5 "bias" Read, 6 "y" Write]
    Conv2dDx "conv2d_dx" "conv2d" [3 "x" Read, 4 "w" Read, 7 "dy" Read, 8 "dx" Write]
    Conv2dDw "conv2d_dw" "conv2d" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 7 "dy" Read, 9 "dw" Write, 10 "dbias" Write]
    MaxPool "max_pool" "max_pool" [1 "x" Read, 2 "y" Write, 3 "arg" Write]
    MaxPoolDx "max_pool_dx" "max_pool" [1 "x" Read, 4 "dy" Read, 5 "argmax" Read, 6 "dx" Write]
    AvgPool "avg_pool" "avg_pool" [1 "x" Read, 2 "y" Write]
    AvgPoolDx "avg_pool_dx" "avg_pool" [1 "x" Read, 3 "dy" Read, 4 "dx" Write]
    Activation "activation" "activation" [1 "x" Read, 2 "y" Write]
    ActivationDx "activation_dx" "activation" [1 "x" Read, 3 "dy" Read, 4 "dx" Write]
    Add "add" "add" [1 "a" Read, 2 "b" Read, 3 "y" Write]
    AddDx "add_dx" "add" [4 "x" Read, 5 "dy" Read, 6 "dx" Write]
    BatchNorm "batch_norm" "batch_norm" [
        1 "state" Uniform, 2 "x" Read, 3 "gamma" Read, 4 "beta" Read, 5 "y" Write, 6 "saved" Write, 7 "running" Write]
    BatchNormEval "batch_norm_eval" "batch_norm" [2 "x" Read, 3 "gamma" Read, 4 "beta" Read, 5 "y" Write, 8 "stats" Read]
    BatchNormDx "batch_norm_dx" "batch_norm" [
        2 "x" Read, 3 "gamma" Read, 8 "stats" Read, 9 "dy" Read, 10 "dx" Write, 11 "dgamma" Write, 12 "dbeta" Write]
    Dropout "dropout" "dropout" [1 "state" Uniform, 2 "x" Read, 3 "y" Write]
    DropoutDx "dropout_dx" "dropout" [1 "state" Uniform, 2 "x" Read, 4 "dy" Read, 5 "dx" Write]
    Gather "gather" "gather" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "y" Write]
    CrossEntropy "cross_entropy" "cross_entropy" [
        1 "state" Uniform, 2 "order" Read, 3 "labels" Read, 4 "z" Read, 5 "dz" Write, 6 "rows" Write]
    MeanSquaredError "mean_squared_error" "mean_squared_error" [
        1 "state" Uniform, 2 "order" Read, 3 "values" Read, 4 "z" Read, 5 "dz" Write, 6 "rows" Write]
    Tick "tick" "tick" [1 "states" Write, 2 "rows" Read, 3 "norms" Read, 4 "schedule" Read, 5 "history" Write]
    Sgd "sgd" "update" [
        1 "state" Uniform, 2 "blocks" Read, 3 "grads" Read, 4 "params" Write, 5 "moments" Write, 6 "norms" Write]
    Adam "adam" "update" [
        1 "state" Uniform, 2 "blocks" Read, 3 "grads" Read, 4 "params" Write, 5 "moments" Write, 6 "norms" Write]
    GradNorm "grad_norm" "update" [2 "blocks" Read, 3 "grads" Read, 6 "norms" Write]
}

impl Kernel {
    pub(crate) fn entry(self) -> &'static Entry {
        let entry = &TABLE[self as usize];
        debug_assert_eq!(entry.kernel, self, "the table is in the order of the enum");
        entry
    }

    /// The entry point's name.
    pub fn name(self) -> &'static str {
        self.entry().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shader::{FILES, assemble, locate};
    use naga::{AddressSpace, Module, StorageAccess};

    fn parse(file: &str) -> Module {
        let text = assemble(file);
        naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| {
            let line = e.location(&text).map_or(0, |l| l.line_number as usize);
            panic!("{:?}: {}", locate(file, line), e.emit_to_string(&text))
        })
    }

    fn validate(module: &Module) -> Result<naga::valid::ModuleInfo, String> {
        // Default capabilities: what every WebGPU device has.
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty())
            .validate(module)
            .map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn every_shader_is_valid_without_optional_capabilities() {
        for (file, _) in FILES {
            validate(&parse(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        }
    }

    #[test]
    fn a_broken_shader_is_refused() {
        let module = naga::front::wgsl::parse_str("@compute @workgroup_size(1) fn f() { let x: i32 = 1.5; }");
        assert!(module.is_err());
    }

    #[test]
    fn the_table_says_what_the_shaders_say() {
        for entry in TABLE {
            assert_eq!(entry.kernel.name(), entry.name);
            let module = parse(entry.file);
            let info = validate(&module).unwrap();
            let index = module.entry_points.iter().position(|e| e.name == entry.name);
            let index = index.unwrap_or_else(|| panic!("{}: no entry point {}", entry.file, entry.name));
            let point = info.get_entry_point(index);
            let mut found = Vec::new();
            for (handle, global) in module.global_variables.iter() {
                let Some(binding) = &global.binding else { continue };
                if point[handle].is_empty() {
                    continue;
                }
                let access = match global.space {
                    AddressSpace::Uniform => Access::Uniform,
                    AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                        Access::Write
                    }
                    AddressSpace::Storage { .. } => Access::Read,
                    other => panic!("{}: binding in {other:?}", entry.name),
                };
                found.push((binding.binding, global.name.clone().unwrap(), access));
            }
            found.sort_by_key(|f| f.0);
            assert_eq!(found.remove(0), (0, "dims".into(), Access::Uniform), "{}", entry.name);
            let mut said: Vec<_> = entry.bindings.iter().map(|b| (b.0, b.1.to_string(), b.2)).collect();
            said.sort_by_key(|s| s.0);
            assert_eq!(found, said, "{}", entry.name);
            let storage = entry.bindings.iter().filter(|b| b.2 != Access::Uniform).count();
            assert!(storage <= 8, "{}: {storage} storage buffers; WebGPU promises 8", entry.name);
            let [x, y, z] = module.entry_points[index].workgroup_size;
            assert!(x * y * z <= 256, "{}: {x} x {y} x {z} invocations; WebGPU promises 256", entry.name);
        }
    }

    #[test]
    fn every_entry_point_is_in_the_table() {
        for (file, _) in FILES {
            for point in &parse(file).entry_points {
                assert!(
                    TABLE.iter().any(|e| e.name == point.name && e.file == *file),
                    "{file}: {}",
                    point.name
                );
            }
        }
    }

    /// Field names of a struct in a shader.
    fn fields(module: &Module, name: &str) -> Vec<(String, u32)> {
        let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).unwrap();
        let naga::TypeInner::Struct { members, .. } = &ty.inner else { panic!("{name} is no struct") };
        members.iter().map(|m| (m.name.clone().unwrap(), m.offset)).collect()
    }

    #[test]
    fn dims_have_the_same_fields_on_both_sides() {
        for (file, twin) in crate::ops::dims_of_every_file() {
            let found = fields(&parse(file), "Dims");
            let said: Vec<_> = twin.iter().enumerate().map(|(i, f)| (f.to_string(), 4 * i as u32)).collect();
            assert_eq!(found, said, "{file}.wgsl");
        }
        assert_eq!(crate::ops::dims_of_every_file().len(), FILES.len());
    }

    #[test]
    fn shared_structs_have_the_same_size_on_both_sides() {
        use crate::layout::{Hyper, Record, State};
        let module = parse("tick");
        for (name, size) in
            [("State", size_of::<State>()), ("Hyper", size_of::<Hyper>()), ("Record", size_of::<Record>())]
        {
            let last = fields(&module, name).last().unwrap().1 as usize + 4;
            assert_eq!(last, size, "{name}");
        }
        let state = fields(&module, "State");
        let at = |name: &str| state.iter().find(|f| f.0 == name).unwrap().1 as usize;
        assert_eq!(at("seed"), std::mem::offset_of!(State, seed));
        assert_eq!(at("last"), std::mem::offset_of!(State, last));
        assert_eq!(at("clip"), std::mem::offset_of!(State, clip));
        assert_eq!(at("order_base"), std::mem::offset_of!(State, order_base));
        assert_eq!(at("max_norm"), std::mem::offset_of!(State, max_norm));
    }
}
