//! The kernel table: every entry point, its file and its bindings. A test compares it with the shaders themselves.

/// How a kernel touches a binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Uniform,
    Read,
    Write,
    /// Read from a buffer or from the texture that mirrors it, as the dispatch has its operands read.
    Load,
    /// Read from the mirror of a buffer that the kernel also writes; not there where operands are read from buffers.
    Mirror,
    /// Written: to a buffer or, where the plan finds that all readers look there, straight into the texture that mirrors it.
    Store,
}
use Access::{Load, Mirror, Read, Store, Uniform, Write};

impl Access {
    pub fn writes(self) -> bool {
        matches!(self, Write | Store)
    }

    /// Is a texture bound where operands are read, and outputs stored, like this?
    pub fn through_mirror(self, loads: Loads) -> bool {
        match self {
            Uniform | Read | Write => false,
            Load | Mirror => loads != Loads::Buffer,
            Store => loads == Loads::Stored,
        }
    }
}

use crate::shader::Loads;

#[cfg(test)]
mod uniformity;

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
    Linear "linear" "linear" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "w" Read, 5 "bias" Read, 6 "y" Write, 15 "residual" Read]
    LinearDx "linear_dx" "linear" [3 "x" Read, 4 "w" Read, 7 "dy" Read, 8 "dx" Write]
    LinearDw "linear_dw" "linear" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 7 "dy" Read, 9 "dw" Write, 10 "dbias" Write]
    Conv2d "conv2d" "conv2d" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "w" Read, 5 "bias" Read, 6 "y" Write, 15 "residual" Read]
    Conv2dDx "conv2d_dx" "conv2d" [3 "x" Read, 4 "w" Read, 7 "dy" Read, 8 "dx" Write]
    Conv2dDw "conv2d_dw" "conv2d" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 7 "dy" Read, 9 "dw" Write, 10 "dbias" Write]
    Conv2dPool "conv2d_pool" "conv2d" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "w" Read, 5 "bias" Read, 6 "y" Write, 11 "arg" Write]
    LinearBroadcast "linear_broadcast" "linear_broadcast" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 6 "y" Store, 15 "residual" Read]
    LinearDxBroadcast "linear_dx_broadcast" "linear_broadcast" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Store]
    LinearDwBroadcast "linear_dw_broadcast" "linear_broadcast" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    Conv2dBroadcast "conv2d_broadcast" "conv2d_broadcast" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 6 "y" Write, 15 "residual" Read]
    Conv2dDxBroadcast "conv2d_dx_broadcast" "conv2d_broadcast" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Write]
    Conv2dDwBroadcast "conv2d_dw_broadcast" "conv2d_broadcast" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    Conv2dQuad "conv2d_quad" "conv2d_quad" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 6 "y" Write, 15 "residual" Read]
    Conv2dPoolQuad "conv2d_pool_quad" "conv2d_quad" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 13 "pooled" Write, 11 "arg" Write]
    Conv2dDxQuad "conv2d_dx_quad" "conv2d_quad" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Write]
    Conv2dDwQuad "conv2d_dw_quad" "conv2d_quad" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    Conv2dDwStem "conv2d_dw_stem" "conv2d_stem" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    Conv2dDwPoolStem "conv2d_dw_pool_stem" "conv2d_stem" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write, 12 "argmax" Load]
    LinearWide "linear_wide" "linear_broadcast" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 6 "y" Store, 15 "residual" Read]
    LinearDxWide "linear_dx_wide" "linear_broadcast" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Store]
    LinearRagged "linear_ragged" "linear_broadcast" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 11 "y_words" Write, 15 "residual" Read]
    LinearDxRagged "linear_dx_ragged" "linear_broadcast" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Store]
    LinearDwRagged "linear_dw_ragged" "linear_broadcast" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    LinearSgdBroadcast "linear_sgd_broadcast" "linear_update" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 5 "params" Write, 6 "moments" Write, 8 "norms" Write,
        13 "params_mirror" Mirror, 14 "moments_mirror" Mirror]
    LinearAdamBroadcast "linear_adam_broadcast" "linear_update" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 5 "params" Write, 6 "moments" Write, 8 "norms" Write,
        13 "params_mirror" Mirror, 14 "moments_mirror" Mirror]
    LinearSgdRagged "linear_sgd_ragged" "linear_update" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 5 "params" Write, 6 "moments" Write, 8 "norms" Write,
        13 "params_mirror" Mirror, 14 "moments_mirror" Mirror]
    LinearAdamRagged "linear_adam_ragged" "linear_update" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 5 "params" Write, 6 "moments" Write, 8 "norms" Write,
        13 "params_mirror" Mirror, 14 "moments_mirror" Mirror]
    LinearCrossEntropy "linear_cross_entropy" "linear_cross_entropy" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 5 "labels" Read, 13 "dz" Store, 9 "rows" Write]
    LinearTiled "linear_tiled" "linear_tiled" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 6 "y" Write, 15 "residual" Read]
    LinearDxTiled "linear_dx_tiled" "linear_tiled" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Write]
    LinearDwTiled "linear_dw_tiled" "linear_tiled" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    LinearTiled64 "linear_tiled64" "linear_tiled64" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 6 "y" Write, 15 "residual" Read]
    LinearDxTiled64 "linear_dx_tiled64" "linear_tiled64" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Write]
    LinearDwTiled64 "linear_dw_tiled64" "linear_tiled64" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    Conv2dTiled "conv2d_tiled" "conv2d_tiled" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "w" Read, 5 "bias" Read, 6 "y" Write, 15 "residual" Read]
    Conv2dDxTiled "conv2d_dx_tiled" "conv2d_tiled" [3 "x" Read, 4 "w" Read, 7 "dy" Read, 8 "dx" Write]
    Conv2dDwTiled "conv2d_dw_tiled" "conv2d_tiled" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Read, 7 "dy" Read, 9 "dw" Write, 10 "dbias" Write]
    Conv2dPoolTiled "conv2d_pool_tiled" "conv2d_tiled" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "w" Read, 5 "bias" Read, 6 "y" Write, 11 "arg" Write]
    Conv2dDwPoolTiled "conv2d_dw_pool_tiled" "conv2d_tiled" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Read, 7 "dy" Read, 9 "dw" Write, 10 "dbias" Write, 12 "argmax" Read]
    Conv2dGrouped "conv2d_grouped" "conv2d_grouped" [3 "x" Load, 4 "w" Load, 6 "y" Write]
    Conv2dDxGrouped "conv2d_dx_grouped" "conv2d_grouped" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Write]
    Conv2dDwGrouped "conv2d_dw_grouped" "conv2d_grouped" [3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    Conv2dPointwise "conv2d_pointwise" "conv2d_pointwise" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 4 "w" Load, 6 "y" Write, 15 "residual" Read]
    Conv2dDxPointwise "conv2d_dx_pointwise" "conv2d_pointwise" [3 "x" Load, 4 "w" Load, 7 "dy" Load, 8 "dx" Write]
    Conv2dDwPointwise "conv2d_dw_pointwise" "conv2d_pointwise" [
        1 "state" Uniform, 2 "order" Read, 3 "x" Load, 7 "dy" Load, 9 "dw" Write, 10 "dbias" Write]
    Unpool "unpool" "unpool" [7 "dy" Load, 12 "argmax" Load, 8 "dx" Write]
    MaxPool "max_pool" "max_pool" [3 "x" Load, 1 "y" Write, 2 "arg" Write]
    MaxPoolDx "max_pool_dx" "max_pool" [3 "x" Load, 7 "dy" Load, 5 "argmax" Load, 8 "dx" Write]
    MaxPoolDxDisjoint "max_pool_dx_disjoint" "max_pool" [3 "x" Load, 7 "dy" Load, 5 "argmax" Load, 8 "dx" Write]
    AvgPool "avg_pool" "avg_pool" [3 "x" Load, 1 "y" Write]
    AvgPoolDx "avg_pool_dx" "avg_pool" [3 "x" Load, 7 "dy" Load, 8 "dx" Write]
    Activation "activation" "activation" [1 "x" Read, 2 "y" Write]
    ActivationDx "activation_dx" "activation" [1 "x" Read, 3 "dy" Read, 4 "dx" Write]
    Add "add" "add" [1 "a" Read, 2 "b" Read, 3 "y" Write]
    AddDx "add_dx" "add" [4 "x" Read, 5 "dy" Read, 6 "dx" Write]
    BatchNorm "batch_norm" "batch_norm" [
        1 "state" Uniform, 3 "x" Load, 2 "gamma" Read, 8 "beta" Read, 6 "y" Write, 9 "saved" Write, 10 "running" Write,
        15 "residual" Load]
    BatchNormEval "batch_norm_eval" "batch_norm" [
        3 "x" Load, 2 "gamma" Read, 8 "beta" Read, 6 "y" Write, 11 "stats" Read, 15 "residual" Load]
    BatchNormDx "batch_norm_dx" "batch_norm" [
        3 "x" Load, 2 "gamma" Read, 8 "beta" Read, 11 "stats" Read, 7 "dy" Load, 12 "dx" Write, 13 "dgamma" Write,
        14 "dbeta" Write]
    BatchNormPool "batch_norm_pool" "batch_norm" [
        1 "state" Uniform, 3 "x" Load, 2 "gamma" Read, 8 "beta" Read, 6 "y" Write, 9 "saved" Write, 10 "running" Write]
    BatchNormPoolEval "batch_norm_pool_eval" "batch_norm" [
        3 "x" Load, 2 "gamma" Read, 8 "beta" Read, 6 "y" Write, 11 "stats" Read]
    BatchNormPoolDx "batch_norm_pool_dx" "batch_norm" [
        3 "x" Load, 2 "gamma" Read, 8 "beta" Read, 11 "stats" Read, 7 "dy" Load, 12 "dx" Write, 13 "dgamma" Write,
        14 "dbeta" Write]
    Dropout "dropout" "dropout" [1 "state" Uniform, 2 "x" Read, 3 "y" Write]
    DropoutDx "dropout_dx" "dropout" [1 "state" Uniform, 2 "x" Read, 4 "dy" Read, 5 "dx" Write]
    Gather "gather" "gather" [1 "state" Uniform, 2 "order" Read, 3 "x" Read, 4 "y" Write]
    CrossEntropy "cross_entropy" "cross_entropy" [
        1 "state" Uniform, 2 "order" Read, 3 "labels" Read, 4 "z" Read, 5 "dz" Write, 6 "rows" Write]
    MeanSquaredError "mean_squared_error" "mean_squared_error" [
        1 "state" Uniform, 2 "order" Read, 3 "values" Read, 4 "z" Read, 5 "dz" Write, 6 "rows" Write]
    Tick "tick" "tick" [1 "states" Write, 2 "rows" Read, 3 "norms" Read, 4 "schedule" Read, 5 "history" Write]
    Sgd "sgd" "update" [
        1 "state" Uniform, 2 "blocks" Load, 3 "grads" Load, 4 "params" Write, 5 "moments" Write, 6 "norms" Write,
        13 "params_mirror" Mirror, 14 "moments_mirror" Mirror]
    Adam "adam" "update" [
        1 "state" Uniform, 2 "blocks" Load, 3 "grads" Load, 4 "params" Write, 5 "moments" Write, 6 "norms" Write,
        13 "params_mirror" Mirror, 14 "moments_mirror" Mirror]
    Accumulate "accumulate" "accumulate" [
        1 "state" Uniform, 2 "blocks" Load, 3 "grads" Write, 7 "grads_mirror" Mirror]
    SgdNorms "sgd_norms" "layers" [
        1 "state" Uniform, 2 "blocks" Load, 3 "grads" Load, 4 "params" Load, 5 "moments" Load, 6 "parts" Write]
    AdamNorms "adam_norms" "layers" [
        1 "state" Uniform, 2 "blocks" Load, 3 "grads" Load, 4 "params" Load, 5 "moments" Load, 6 "parts" Write]
    LayerNorms "layer_norms" "layers" [1 "state" Uniform, 2 "blocks" Load, 7 "sums" Read, 8 "history" Write]
    GradNorm "grad_norm" "update" [2 "blocks" Load, 3 "grads" Load, 6 "norms" Write]
}

impl Entry {
    /// Can the kernel's operands be read from buffers as well as from textures?
    pub fn has_choice(&self) -> bool {
        self.bindings.iter().any(|b| matches!(b.2, Load | Mirror))
    }

    /// What a call's `act` sets in the shader.
    pub fn constant(&self) -> &'static str {
        if ["update", "layers"].contains(&self.file) { "GROUPS" } else { "ACT" }
    }

    /// The bindings that there are where operands are read like this, and what is bound to each.
    pub fn bound<'a, T>(
        &self,
        loads: Loads,
        operands: &'a [T],
    ) -> impl Iterator<Item = (u32, &'static str, Access, &'a T)> {
        let there = move |b: &(u32, &str, Access)| b.2 != Mirror || loads != Loads::Buffer;
        let pairs = self.bindings.iter().zip(operands);
        pairs
            .filter(move |(b, _)| there(b))
            .map(|(&(index, name, access), operand)| (index, name, access, operand))
    }
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
    use naga::valid::{
        Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator,
    };
    use naga::{AddressSpace, Module, StorageAccess};

    fn parse(file: &str, loads: Loads) -> Module {
        let text = assemble(file, loads);
        naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| {
            let line = e.location(&text).map_or(0, |l| l.line_number as usize);
            panic!("{:?}: {}", locate(file, loads, line), e.emit_to_string(&text))
        })
    }

    /// `capabilities` beyond what every WebGPU device has.
    fn validate(module: &Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        if capabilities.contains(Capabilities::SUBGROUP) {
            validator.subgroup_stages(ShaderStages::COMPUTE).subgroup_operations(SubgroupOperationSet::all());
        }
        validator.validate(module).map_err(|e| format!("{e:?}"))
    }

    /// The optional capabilities that a kernel is allowed.
    fn allowed(file: &str, loads: Loads) -> Capabilities {
        let lanes = ["_broadcast", "linear_cross_entropy", "_update", "_quad", "_stem", "_pointwise"]
            .iter()
            .any(|family| file.ends_with(family));
        match loads {
            Loads::Texture | Loads::Stored => Capabilities::SUBGROUP | Capabilities::SHADER_INT64,
            Loads::Buffer if lanes => Capabilities::SUBGROUP,
            Loads::Buffer => Capabilities::empty(),
        }
    }

    #[test]
    fn every_shader_is_valid_and_the_portable_ones_without_optional_capabilities() {
        for (file, _) in FILES {
            for loads in Loads::ALL {
                let module = parse(file, loads);
                validate(&module, allowed(file, loads)).unwrap_or_else(|e| panic!("{file} {loads:?}: {e}"));
            }
        }
    }

    /// Expressions that mix a shift or a bit operation with another operator without brackets: naga goes by precedence,
    /// WGSL's grammar, and so every browser, refuses them.
    fn mixed(text: &str) -> Vec<String> {
        const BITS: [&str; 5] = ["<<", ">>", "&", "|", "^"];
        const OTHERS: [&str; 11] = ["+", "-", "*", "/", "%", "<", ">", "<=", ">=", "==", "!="];
        let code: String =
            text.lines().map(|line| line.split("//").next().unwrap_or(line).to_owned() + " ").collect();
        let spaced = ["(", ")", "[", "]", "{", "}", ",", ";"]
            .iter()
            .fold(code, |code, mark| code.replace(mark, &format!(" {mark} ")));
        let mut wrong = Vec::new();
        let mut levels: Vec<Vec<&str>> = vec![vec![]];
        for token in spaced.split_whitespace() {
            let level = levels.last_mut().unwrap();
            let ends =
                [")", "]", "}", "{", ",", ";", "&&", "||", "return"].contains(&token) || token.ends_with('=');
            match token {
                op if BITS.contains(&op) || OTHERS.contains(&op) => level.push(op),
                _ if ends => {
                    let shifts = level.iter().filter(|op| ["<<", ">>"].contains(op)).count();
                    let alike = level.iter().all(|op| op == &level[0]);
                    if level.iter().any(|op| BITS.contains(op)) && (!alike || shifts > 1) {
                        wrong.push(format!("{level:?} before {token}"));
                    }
                    level.clear();
                }
                _ => {}
            }
            match token {
                "(" | "[" | "{" => levels.push(vec![]),
                ")" | "]" | "}" => drop(levels.pop()),
                _ => {}
            }
        }
        wrong
    }

    #[test]
    fn shifts_stand_in_brackets() {
        assert!(mixed("let a = (b + c) >> 2u; x[i >> 1u] = a & b & (c | d); f(a < b, c ^ d);").is_empty());
        for bad in [
            "let a = b + c >> 2u;",
            "f(a * b >> c, d);",
            "x[a & b | c];",
            "if a & b == c { }",
            "a >> b >> c;",
        ] {
            assert_eq!(mixed(bad).len(), 1, "{bad}");
        }
        for (file, _) in FILES {
            assert_eq!(mixed(&assemble(file, Loads::Buffer)), Vec::<String>::new(), "{file}");
        }
    }

    #[test]
    fn a_broken_shader_is_refused() {
        let module = naga::front::wgsl::parse_str("@compute @workgroup_size(1) fn f() { let x: i32 = 1.5; }");
        assert!(module.is_err());
    }

    /// The bindings that an entry point uses, by reflection: number, name, access.
    fn reflect(entry: &Entry, loads: Loads) -> Vec<(u32, String, Access)> {
        let module = parse(entry.file, loads);
        let info = validate(&module, allowed(entry.file, loads)).unwrap();
        let index = module.entry_points.iter().position(|e| e.name == entry.name);
        let index = index.unwrap_or_else(|| panic!("{}: no entry point {}", entry.file, entry.name));
        let [x, y, z] = module.entry_points[index].workgroup_size;
        assert!(x * y * z <= 256, "{}: {x} x {y} x {z} invocations; WebGPU promises 256", entry.name);
        let mut found = Vec::new();
        for (handle, global) in module.global_variables.iter() {
            let Some(binding) = &global.binding else { continue };
            if info.get_entry_point(index)[handle].is_empty() {
                continue;
            }
            let access = match global.space {
                AddressSpace::Uniform => Access::Uniform,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::Write,
                AddressSpace::Storage { .. } => Access::Read,
                AddressSpace::Handle => {
                    match module.types[global.ty].inner {
                        naga::TypeInner::Image {
                            class: naga::ImageClass::Storage { access, .. }, ..
                        } if access.contains(StorageAccess::STORE) => Access::Store,
                        _ => Access::Load,
                    }
                }
                other => panic!("{}: binding in {other:?}", entry.name),
            };
            found.push((binding.binding, global.name.clone().unwrap(), access));
        }
        found.sort_by_key(|f| f.0);
        found
    }

    /// Browsers set workgroup memory to zero first, for which SwiftShader compiles code that grows with it. What sums only needs a
    /// word an invocation; tiles are the tiled kernels' own, which a page gets on a GPU.
    #[test]
    fn sums_take_a_word_of_workgroup_memory_an_invocation() {
        for (file, _) in FILES.iter().filter(|(file, _)| !file.contains("tiled")) {
            let module = parse(file, Loads::Buffer);
            if allowed(file, Loads::Buffer).contains(Capabilities::SUBGROUP) {
                continue;
            }
            let info = validate(&module, Capabilities::empty()).unwrap();
            for (index, entry) in module.entry_points.iter().enumerate() {
                let memory = module.global_variables.iter().filter(|(handle, global)| {
                    global.space == AddressSpace::WorkGroup
                        && !info.get_entry_point(index)[*handle].is_empty()
                });
                let bytes: u32 = memory.map(|(_, g)| module.types[g.ty].inner.size(module.to_ctx())).sum();
                let invocations: u32 = entry.workgroup_size.iter().product();
                assert!(bytes <= 4 * invocations, "{}: {bytes} bytes for {invocations}", entry.name);
            }
        }
    }

    #[test]
    fn the_table_says_what_the_shaders_say() {
        for entry in TABLE {
            assert_eq!(entry.kernel.name(), entry.name);
            for loads in Loads::ALL {
                let mut found = reflect(entry, loads);
                assert_eq!(found.remove(0), (0, "dims".into(), Access::Uniform), "{}", entry.name);
                let none = vec![(); entry.bindings.len()];
                // From a buffer, a load is a read; from a texture, a mirror is a load. Into a buffer, a store is a write.
                let plain = |access: Access| match access {
                    Access::Load if !access.through_mirror(loads) => Access::Read,
                    Access::Store if !access.through_mirror(loads) => Access::Write,
                    Access::Mirror => Access::Load,
                    _ => access,
                };
                let mut said: Vec<_> =
                    entry.bound(loads, &none).map(|b| (b.0, b.1.to_string(), plain(b.2))).collect();
                said.sort_by_key(|s| s.0);
                assert_eq!(found, said, "{} {loads:?}", entry.name);
                let storage = said.iter().filter(|b| matches!(b.2, Access::Read | Access::Write)).count();
                assert!(storage <= 8, "{}: {storage} storage buffers; WebGPU promises 8", entry.name);
                let textures = said.iter().filter(|b| b.2.through_mirror(loads)).count();
                assert!(textures <= 4, "{}: {textures} storage textures; WebGPU promises 4", entry.name);
            }
        }
    }

    #[test]
    fn every_entry_point_is_in_the_table() {
        for (file, _) in FILES {
            for point in &parse(file, Loads::Buffer).entry_points {
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
            let found = fields(&parse(file, Loads::Buffer), "Dims");
            let said: Vec<_> = twin.iter().enumerate().map(|(i, f)| (f.to_string(), 4 * i as u32)).collect();
            assert_eq!(found, said, "{file}.wgsl");
        }
        assert_eq!(crate::ops::dims_of_every_file().len(), FILES.len());
    }

    #[test]
    fn shared_structs_have_the_same_size_on_both_sides() {
        use crate::layout::{Hyper, Record, State};
        let module = parse("tick", Loads::Buffer);
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
