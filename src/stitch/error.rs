/// Why bytes cannot be stitched. Clauses are those of ITU-T H.264.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StitchError {
    #[error("the bytes end within {field}")]
    Ended { field: &'static str },
    #[error("{field} is {value}, outside {min}..={max}")]
    OutOfRange { field: &'static str, value: i64, min: i64, max: i64 },
    /// Allowed by H.264, but nothing that stitches.
    #[error("{field} is {value}, which is not supported")]
    Unsupported { field: &'static str, value: i64 },
    #[error("the {what} NAL unit's header byte is {byte:#04x}")]
    WrongNal { what: &'static str, byte: u8 },
    #[error("the {what} goes on after its end")]
    Trailing { what: &'static str },
    /// A tile's parameter sets differ from those of its canvas.
    #[error("{field} is {tile} in the tile and {canvas} in the canvas")]
    Disagrees { field: &'static str, canvas: i64, tile: i64 },
    #[error("access unit {unit} of {bytes} bytes is no sequence of NAL units with four-byte lengths")]
    BadLengths { unit: usize, bytes: usize },
    #[error("access unit {unit} holds a NAL unit of type {nal_type}")]
    UnexpectedNal { unit: usize, nal_type: u8 },
    #[error("access unit {unit} has {got} slices, expected {expected}")]
    SliceCount { unit: usize, got: usize, expected: usize },
    #[error("slice {slice} of access unit {unit}: {field} is {got}, expected {expected}")]
    Slice { unit: usize, slice: usize, field: &'static str, got: i64, expected: i64 },
    #[error("slice {slice} of access unit {unit} cannot be read: {cause}")]
    UnreadableSlice { unit: usize, slice: usize, cause: Box<StitchError> },
    /// Slice data that begins with more zero bytes than CABAC writes.
    #[error("the slice data begins with more than {max} zero bytes")]
    ZeroRun { max: usize },
    #[error("{got} access units, expected {expected}")]
    UnitCount { got: usize, expected: usize },
    #[error("a still tile cannot hold this one: {why}")]
    Hold { why: &'static str },
    #[error("a tile of {width_mbs}x{height_mbs} macroblocks is impossible")]
    Shape { width_mbs: u32, height_mbs: u32 },
    #[error(
        "{width_mbs}x{height_mbs} macroblocks at {x_mb},{y_mb} leave the canvas of {canvas_width_mbs}x{canvas_height_mbs}"
    )]
    Outside { x_mb: u32, y_mb: u32, width_mbs: u32, height_mbs: u32, canvas_width_mbs: u32, canvas_height_mbs: u32 },
    #[error("a tile of {height_mbs} macroblock rows cannot fill {rows}")]
    Rows { height_mbs: u32, rows: u32 },
    #[error("places {first} and {second} overlap")]
    Overlap { first: usize, second: usize },
    #[error("one slice for a whole picture is only for a tile that is the canvas")]
    WholeIsNotCanvas,
    #[error("{slices} slices a picture, at most {max}")]
    TooManySlices { slices: usize, max: u32 },
    #[error("level_idc {level_idc} at most, but {what} asks for more")]
    NoLevel { level_idc: u8, what: &'static str },
    #[error("{got} inputs, the plan has {expected}")]
    InputCount { got: usize, expected: usize },
    #[error("input {input} does not fit the plan or the first input: {field}")]
    InputDiffers { input: usize, field: &'static str },
    #[error("{what} of {bytes} bytes, at most {max}")]
    TooLarge { what: &'static str, bytes: u64, max: u64 },
}
