//! The rule that browsers enforce and naga does not: every invocation of a workgroup must reach a barrier, provably. What may
//! differ between invocations is followed through expressions, variables, calls and control flow, as WGSL's uniformity
//! analysis does, a little more strictly: a variable that ever held a varying value varies for good.

use crate::shader::{FILES, Loads, assemble, locate};
use naga::{
    AddressSpace, Binding, Block, BuiltIn, Expression, Function, Handle, LocalVariable, Module, Span,
    Statement, StorageAccess,
};
use std::collections::HashSet;

/// Ways out of a block that only some invocations take.
#[derive(Clone, Copy, Default)]
struct Exits {
    breaks: bool,
    continues: bool,
    returns: bool,
}

impl Exits {
    fn any(self) -> bool {
        self.breaks || self.continues || self.returns
    }

    fn or(self, other: Self) -> Self {
        Self {
            breaks: self.breaks || other.breaks,
            continues: self.continues || other.continues,
            returns: self.returns || other.returns,
        }
    }
}

/// One function, called with arguments of which some vary.
struct Walk<'a> {
    module: &'a Module,
    function: &'a Function,
    arguments: Vec<bool>,
    /// For each expression: does its value vary between invocations?
    varying: Vec<bool>,
    locals: HashSet<Handle<LocalVariable>>,
    /// Calls whose results vary.
    results: HashSet<Handle<Expression>>,
    returns_varying: bool,
    /// Barriers and subgroup operations in control flow that varies.
    faults: Vec<Span>,
}

/// What a function does wrong, and whether what it returns varies. `uniform`: is it called by all invocations together?
fn walk(module: &Module, function: &Function, arguments: Vec<bool>, uniform: bool) -> (Vec<Span>, bool) {
    let mut walk = Walk {
        module,
        function,
        arguments,
        varying: Vec::new(),
        locals: HashSet::new(),
        results: HashSet::new(),
        returns_varying: false,
        faults: Vec::new(),
    };
    loop {
        let before = (walk.locals.len(), walk.results.len());
        walk.faults.clear();
        walk.expressions();
        walk.block(&function.body, uniform);
        if (walk.locals.len(), walk.results.len()) == before {
            return (walk.faults, walk.returns_varying);
        }
    }
}

impl Walk<'_> {
    fn varies(&self, expression: Handle<Expression>) -> bool {
        self.varying[expression.index()]
    }

    /// Operands stand before what uses them.
    fn expressions(&mut self) {
        self.varying.clear();
        for (handle, expression) in self.function.expressions.iter() {
            let varies = self.expression(handle, expression);
            self.varying.push(varies);
        }
    }

    fn expression(&self, handle: Handle<Expression>, expression: &Expression) -> bool {
        use Expression as E;
        let any =
            |operands: &[Option<Handle<Expression>>]| operands.iter().flatten().any(|&o| self.varies(o));
        match *expression {
            E::Literal(_) | E::Constant(_) | E::Override(_) | E::ZeroValue(_) | E::ArrayLength(_) => false,
            E::Compose { ref components, .. } => components.iter().any(|&c| self.varies(c)),
            E::Access { base, index } => any(&[Some(base), Some(index)]),
            E::AccessIndex { base: e, .. }
            | E::Splat { value: e, .. }
            | E::Swizzle { vector: e, .. }
            | E::Load { pointer: e }
            | E::Unary { expr: e, .. }
            | E::Relational { argument: e, .. }
            | E::As { expr: e, .. } => self.varies(e),
            E::Binary { left, right, .. } => any(&[Some(left), Some(right)]),
            E::Select { condition, accept, reject } => any(&[Some(condition), Some(accept), Some(reject)]),
            E::Math { arg, arg1, arg2, arg3, .. } => any(&[Some(arg), arg1, arg2, arg3]),
            E::ImageLoad { image, coordinate, array_index, sample, level } => {
                any(&[Some(image), Some(coordinate), array_index, sample, level])
            }
            E::FunctionArgument(index) => self.arguments[index as usize],
            E::GlobalVariable(global) => match self.module.global_variables[global].space {
                AddressSpace::Uniform | AddressSpace::Handle => false,
                AddressSpace::Storage { access } => access.contains(StorageAccess::STORE),
                _ => true,
            },
            E::LocalVariable(local) => self.locals.contains(&local),
            E::CallResult(_) => self.results.contains(&handle),
            _ => true,
        }
    }

    /// The variable that a pointer leads to.
    fn local(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(local) => Some(local),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.local(base),
            _ => None,
        }
    }

    fn block(&mut self, block: &Block, uniform: bool) -> Exits {
        let mut exits = Exits::default();
        for (statement, span) in block.span_iter() {
            exits = exits.or(self.statement(statement, *span, uniform && !exits.any()));
        }
        exits
    }

    fn statement(&mut self, statement: &Statement, span: Span, uniform: bool) -> Exits {
        let none = Exits::default();
        match statement {
            Statement::Block(block) => return self.block(block, uniform),
            Statement::If { condition, accept, reject } => {
                let uniform = uniform && !self.varies(*condition);
                return self.block(accept, uniform).or(self.block(reject, uniform));
            }
            Statement::Switch { selector, cases } => {
                let uniform = uniform && !self.varies(*selector);
                let exits = cases.iter().map(|case| self.block(&case.body, uniform)).fold(none, Exits::or);
                return Exits { breaks: false, ..exits };
            }
            Statement::Loop { body, continuing, break_if } => {
                return self.cycle(body, continuing, *break_if, uniform);
            }
            Statement::Break => return Exits { breaks: !uniform, ..none },
            Statement::Continue => return Exits { continues: !uniform, ..none },
            Statement::Return { value } => {
                self.returns_varying |= !uniform || value.is_some_and(|v| self.varies(v));
                return Exits { returns: !uniform, ..none };
            }
            Statement::Store { pointer, value }
                if !uniform || self.varies(*value) || self.varies(*pointer) =>
            {
                self.locals.extend(self.local(*pointer));
            }
            Statement::Call { function, arguments, result } => {
                self.call(&self.module.functions[*function], arguments, *result, span, uniform);
            }
            Statement::ControlBarrier(_)
            | Statement::MemoryBarrier(_)
            | Statement::WorkGroupUniformLoad { .. }
            | Statement::SubgroupBallot { .. }
            | Statement::SubgroupGather { .. }
            | Statement::SubgroupCollectiveOperation { .. }
                if !uniform =>
            {
                self.faults.push(span);
            }
            _ => {}
        }
        none
    }

    /// A loop that some invocations leave earlier than others varies from its start: the next turn comes after the exit.
    fn cycle(
        &mut self,
        body: &Block,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
        uniform: bool,
    ) -> Exits {
        let exits = self.block(body, uniform).or(self.block(continuing, uniform));
        let splits = exits.any() || break_if.is_some_and(|e| self.varies(e));
        if uniform && splits {
            self.block(body, false);
            self.block(continuing, false);
        }
        Exits { returns: exits.returns, ..Exits::default() }
    }

    fn call(
        &mut self,
        function: &Function,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        span: Span,
        uniform: bool,
    ) {
        // A function may write what it gets a pointer to.
        let written: Vec<_> = arguments.iter().filter_map(|&a| self.local(a)).collect();
        self.locals.extend(written);
        let varying = arguments.iter().map(|&a| self.varies(a) || self.local(a).is_some()).collect();
        let (faults, returns_varying) = walk(self.module, function, varying, uniform);
        if !faults.is_empty() {
            self.faults.push(span);
        }
        self.faults.extend(faults);
        if returns_varying {
            self.results.extend(result);
        }
    }
}

/// Lines of the assembled text in which an entry point breaks the rule.
fn faults(text: &str) -> Vec<(String, usize)> {
    let module = naga::front::wgsl::parse_str(text).unwrap();
    let mut found = Vec::new();
    for point in &module.entry_points {
        let whole = |binding: &Option<Binding>| {
            matches!(
                binding,
                Some(Binding::BuiltIn(
                    BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups | BuiltIn::WorkGroupSize
                ))
            )
        };
        let arguments = point.function.arguments.iter().map(|a| !whole(&a.binding)).collect();
        let (faults, _) = walk(&module, &point.function, arguments, true);
        found.extend(faults.iter().map(|s| (point.name.clone(), s.location(text).line_number as usize)));
    }
    found
}

#[test]
fn barriers_stand_in_uniform_control_flow() {
    for (file, _) in FILES {
        for loads in Loads::ALL {
            let wrong = faults(&assemble(file, loads));
            let places: Vec<_> =
                wrong.iter().map(|(point, line)| (point, locate(file, loads, *line))).collect();
            assert!(places.is_empty(), "{file}: not every invocation comes to {places:?}");
        }
    }
}

/// A kernel with this body, in which something varies: `lane`, `scratch`, `sh`.
#[track_caller]
fn check(body: &str, allowed: bool) {
    let text = format!(
        "@group(0) @binding(0) var<uniform> n: u32;
        @group(0) @binding(1) var<storage, read> table: array<u32>;
        @group(0) @binding(2) var<storage, read_write> scratch: array<u32>;
        var<workgroup> sh: u32;
        fn all_wait() {{ workgroupBarrier(); }}
        fn some_wait(i: u32) {{ if i > 1u {{ return; }} workgroupBarrier(); }}
        fn twice(i: u32) -> u32 {{ if i == 0u {{ return 0u; }} return 2u * i; }}
        fn count(i: ptr<function, u32>) {{ *i += scratch[0]; }}
        @compute @workgroup_size(64)
        fn kernel(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{ {body} }}"
    );
    assert_eq!(faults(&text).is_empty(), allowed, "{body}");
}

#[test]
fn what_is_the_same_for_all_may_decide() {
    check("if wid.z >= n { return; } workgroupBarrier();", true);
    check("for (var k = table[wid.x]; k < n; k += 8u) { workgroupBarrier(); }", true);
    check("if twice(n) > 3u { all_wait(); } some_wait(wid.x);", true);
    check("if lane > 3u { scratch[lane] = 1u; } workgroupBarrier();", true);
    check("for (var i = lane; i < n; i += 64u) { scratch[i] = 1u; } workgroupBarrier();", true);
    check("loop { if lane > 3u { break; } scratch[lane] = 1u; } workgroupBarrier();", true);
    check("switch lane { case 1u: { scratch[0] = 1u; break; } default: {} } workgroupBarrier();", true);
}

#[test]
fn what_may_vary_may_not() {
    check("if lane > 3u { return; } workgroupBarrier();", false);
    check("if scratch[0] > 3u { return; } workgroupBarrier();", false);
    check("if sh > 3u { workgroupBarrier(); }", false);
    check("if twice(lane) > 3u { all_wait(); }", false);
    check("some_wait(lane);", false);
    check("for (var k = 0u; k < lane; k++) { workgroupBarrier(); }", false);
    check("loop { workgroupBarrier(); if lane > 3u { break; } }", false);
    check("loop { if lane > 3u { continue; } workgroupBarrier(); if n > 3u { break; } }", false);
    check("loop { if n > 3u { break; } if lane > 3u { return; } } workgroupBarrier();", false);
    check("var k = n; if lane == 0u { k = 0u; } if k > 3u { workgroupBarrier(); }", false);
    check("var k = n; count(&k); if k > 3u { workgroupBarrier(); }", false);
    check("switch lane { case 1u: { return; } default: {} } workgroupBarrier();", false);
    // Only on the second turn is it known that k varies.
    check("var k = 0u; loop { if k > 3u { workgroupBarrier(); } k += lane; if n > 3u { break; } }", false);
}
