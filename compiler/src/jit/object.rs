//! GRAPH → OBJECT FILE: the programs of a model, its data and what users of it need to know, as one relocatable object whose
//! open ends are the functions of `likelier_kernels`. The code is that of [`super::native`] but for addresses, which a linker
//! fills in: same instructions, same kernels, same bits.

use cranelift::codegen::ir::{self, InstBuilder};
use cranelift::frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift::prelude::{AbiParam, types};
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, default_libcall_names};
use cranelift_object::{ObjectBuilder, ObjectModule};

use likelier_kernels::interface::Table;
use likelier_kernels::level::Level;

use super::blocks::Lowering;
use super::cpu::CpuLevel;
use super::interface::{FUNCTIONS, Function, Interface, machine_type};
use super::layout::{ALIGNMENT, Arena};
use super::model::Programs;
use super::native::{JitError, MANY_INSTRUCTIONS, define, failed, size};

/// The name and version of this compiler.
pub const COMPILER: &str = concat!("likelier ", env!("CARGO_PKG_VERSION"));

/// The bytes of an object file of a model's programs.
///
/// # Errors
/// As [`super::Native::compile`], and if a program to unconstrain is missing.
pub fn object(
    programs: &Programs,
    interface: &Interface,
    cpu: CpuLevel,
) -> Result<Vec<u8>, JitError> {
    let cpu = cpu.resolve()?;
    let Some(unconstrain) = &programs.unconstrain else {
        return Err(failed("a file needs a program that unconstrains"));
    };
    let graphs = [
        ("gradient", &programs.gradient),
        ("start", &programs.start),
        ("values", &programs.outputs),
        ("unconstrain", unconstrain),
    ];
    let isa = cpu.isa(size(&graphs) > MANY_INSTRUCTIONS, true)?;
    let builder = ObjectBuilder::new(isa, interface.model.as_str(), default_libcall_names());
    let mut module = ObjectModule::new(builder.map_err(failed)?);
    let mut arena = Arena::default();
    let functions = define(&mut module, &graphs, &mut arena, (cpu, Lowering::Blocks))?;
    let scratch = functions.iter().map(|(_, scratch)| *scratch).max();
    let words = arena.words();
    let mut writer = Writer {
        module: &mut module,
        count: 0,
    };
    let data = writer.data(&words_bytes(&words), ALIGNMENT, &[])?;
    let level = Level::ALL.iter().position(|level| *level == cpu.level());
    let mut fields = vec![
        Field::Number(level.expect("it is one of all")),
        Field::Number(programs.density.dimension),
        Field::Number(interface.constraints.len()),
        Field::Number(interface.parameters),
        Field::Number(interface.outputs.len()),
        Field::Number(scratch.unwrap_or(0)),
        Field::Data(data, 0),
    ];
    fields.extend(functions.iter().map(|(id, _)| Field::Function(*id)));
    for text in [
        COMPILER,
        &interface.model,
        &cpu.to_string(),
        &interface.coordinates,
    ] {
        fields.push(Field::Data(writer.texts(&[text])?.0, 0));
    }
    let names: Vec<&str> = interface.constraints.iter().map(String::as_str).collect();
    fields.push(Field::Data(writer.list(&names)?, 0));
    let names: Vec<&str> = interface.outputs.iter().map(|(n, _)| n.as_str()).collect();
    fields.push(Field::Data(writer.list(&names)?, 0));
    let kinds: Vec<u8> = interface
        .outputs
        .iter()
        .map(|(_, kind)| *kind as u8)
        .collect();
    fields.push(Field::Data(writer.data(&kinds, 8, &[])?, 0));
    assert_eq!(
        8 * fields.len(),
        size_of::<Table>(),
        "the fields of a table"
    );
    let table = writer.fields(&fields)?;
    for function in FUNCTIONS {
        entry(&mut module, &interface.symbol(function), function, table)?;
    }
    module.finish().emit().map_err(failed)
}

/// Eight bytes of data.
enum Field {
    Number(usize),
    Data(DataId, i64),
    Function(FuncId),
}

struct Writer<'a> {
    module: &'a mut ObjectModule,
    count: usize,
}

impl Writer<'_> {
    /// Data with the addresses of the fields at their places, eight bytes each.
    fn data(&mut self, bytes: &[u8], align: usize, fields: &[Field]) -> Result<DataId, JitError> {
        let name = format!("likelier data {}", self.count);
        self.count += 1;
        let id = self
            .module
            .declare_data(&name, Linkage::Local, false, false)
            .map_err(failed)?;
        let mut description = DataDescription::new();
        // Nothing at all has no address.
        let bytes = if bytes.is_empty() { &[0; 8][..] } else { bytes };
        description.define(bytes.into());
        description.set_align(align as u64);
        for (place, field) in fields.iter().enumerate() {
            let offset = 8 * place as u32;
            match *field {
                Field::Number(_) => {}
                Field::Data(data, addend) => {
                    let data = self.module.declare_data_in_data(data, &mut description);
                    description.write_data_addr(offset, data, addend);
                }
                Field::Function(function) => {
                    let function = self.module.declare_func_in_data(function, &mut description);
                    description.write_function_addr(offset, function);
                }
            }
        }
        self.module.define_data(id, &description).map_err(failed)?;
        Ok(id)
    }

    fn fields(&mut self, fields: &[Field]) -> Result<DataId, JitError> {
        let words = fields.iter().map(|field| match *field {
            Field::Number(number) => number as u64,
            Field::Data(..) | Field::Function(_) => 0,
        });
        let bytes = words_bytes(&words.collect::<Vec<_>>());
        self.data(&bytes, 8, fields)
    }

    /// Texts one after the other, each ended by a zero; with where each begins.
    fn texts(&mut self, texts: &[&str]) -> Result<(DataId, Vec<usize>), JitError> {
        let mut bytes = Vec::new();
        let mut starts = Vec::with_capacity(texts.len());
        for text in texts {
            starts.push(bytes.len());
            bytes.extend(text.bytes().filter(|byte| *byte != 0));
            bytes.push(0);
        }
        Ok((self.data(&bytes, 1, &[])?, starts))
    }

    /// A list of the addresses of texts.
    fn list(&mut self, texts: &[&str]) -> Result<DataId, JitError> {
        let (data, starts) = self.texts(texts)?;
        let fields: Vec<Field> = starts
            .iter()
            .map(|&start| Field::Data(data, start as i64))
            .collect();
        self.fields(&fields)
    }
}

fn words_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A function of the interface: calls the kernels' function of its name with the model's table in front.
fn entry(
    module: &mut ObjectModule,
    symbol: &str,
    function: &Function,
    table: DataId,
) -> Result<(), JitError> {
    let mut own = module.make_signature();
    let parameters = function.arguments.iter();
    let parameters = parameters.filter_map(|(c_type, _)| machine_type(c_type));
    own.params.extend(parameters.map(AbiParam::new));
    own.returns
        .extend(machine_type(function.result).map(AbiParam::new));
    let mut called = own.clone();
    called.params.insert(0, AbiParam::new(types::I64));
    let id = module
        .declare_function(symbol, Linkage::Export, &own)
        .map_err(failed)?;
    let name = format!("likelier_table_{}", function.name);
    let kernel = module
        .declare_function(&name, Linkage::Import, &called)
        .map_err(failed)?;
    let mut code = module.make_context();
    code.func.signature = own;
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut code.func, &mut context);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_block(block);
    let table = module.declare_data_in_func(table, builder.func);
    let mut arguments = vec![builder.ins().symbol_value(types::I64, table)];
    arguments.extend_from_slice(builder.block_params(block));
    let kernel = module.declare_func_in_func(kernel, builder.func);
    let call = builder.ins().call(kernel, &arguments);
    let results: Vec<ir::Value> = builder.inst_results(call).to_vec();
    builder.ins().return_(&results);
    let target = module.isa().frontend_config();
    builder.finalize(target);
    module.define_function(id, &mut code).map_err(failed)
}
