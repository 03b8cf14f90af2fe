import ArgumentParser
import Core
import Foundation

/// `fp4tui quantize`: what number formats do to data.
struct QuantizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quantize",
        abstract: "Measure what FP8 and FP4 formats do to data.",
        usage: """
            fp4tui quantize <file> [--tensor <glob>] [--format <format>] [--json]
            fp4tui quantize --gaussian <n> [--format <format>] [--json]
            fp4tui quantize <file> --format <format> --output <file>
            """,
        discussion: """
            Quantizes every tensor to each format and back, and reports for each tensor and for all together:
              relMSE       squared error over sum of squares
              SQNR         the same in decibels
              cosine       of the angle between a tensor and its quantized values
              saturated    share of values beyond the format's largest number
              underflow    share of values that became zero and were none
              bits         per value, scales included

            Blocks run along the last axis, the reduction axis of y = x W\u{1D40}; all other axes are rows. Infinities \
            and NaN make their block NaN (with e4m3 scales the whole tensor); they are counted, and what became NaN \
            enters no figure.

            EXAMPLES:
              fp4tui quantize model.safetensors --tensor '*.mlp.*'
              fp4tui quantize --student 1000000 --format nvfp4 --format nvfp4+4/6
              fp4tui quantize weights.f32 --columns 4096 --json
              fp4tui quantize model.safetensors --format nvfp4 --output nvfp4.safetensors

            FORMATS:
            \(BlockFormat.syntax.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

            OUTPUT FILE:
              For each tensor T, with one --format and --output:
                T.codes         U8: the bits of the elements; two of e2m1 in a byte, the
                                first in the low half, rows filled up with a zero
                T.scales        [blocks down, blocks across]: F32, or U8 codes of e8m0
                                or e4m3
                T.tensor_scale  F32 [1], with e4m3 scales
                T.dequantized   F32: decode(code) times the block's scale, which is
                                2^(code - 127) / prescale for e8m0, and
                                decode(code) times tensor_scale for e4m3
              With +hadamard these are the codes and values of the transformed tensor,
              its rows filled up with zeros to whole groups. The metadata names the
              format.
            """)

    @Argument(
        help: ArgumentHelp(
            "A safetensors file with F32, F16 or BF16 tensors, or raw little-endian float32 (.f32, .bin or --raw).",
            valueName: "file"))
    var file: String?

    @Flag(help: "The file is raw little-endian float32, whatever its name.")
    var raw = false

    @Option(help: ArgumentHelp("Draw n values from the normal distribution.", valueName: "n"))
    var gaussian: Int?

    @Option(help: ArgumentHelp("Draw n values from the Laplace distribution.", valueName: "n"))
    var laplace: Int?

    @Option(help: ArgumentHelp("Draw n values from Student's t, three degrees of freedom.", valueName: "n"))
    var student: Int?

    @Option(help: ArgumentHelp("Seed of drawn values, stochastic rounding and random signs.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp(
            "Values in a row of raw or drawn data. Default: 1024 if that divides them all, else one row.",
            valueName: "n"))
    var columns: Int?

    @Option(
        help: ArgumentHelp("Only tensors whose name matches, as in '*.mlp.*'; may be repeated.", valueName: "glob"))
    var tensor: [String] = []

    @Option(help: ArgumentHelp("A format; may be repeated. Default: all with a name.", valueName: "format"))
    var format: [String] = []

    @Option(help: ArgumentHelp("Write codes, scales and dequantized values (safetensors).", valueName: "file"))
    var output: String?

    @Flag(name: [.long, .customLong("overwrite")], help: "Let --output replace a file that exists.")
    var force = false

    @Flag(help: "Print JSON.")
    var json = false

    @Option(help: ArgumentHelp("Threads; 0: one per core.", valueName: "n"))
    var threads = 0

    func run() throws {
        let formats = try chosenFormats()
        if let output { try checkOutput(output, formats) }
        let pool = try ComputeContext(threads: threads).pool
        let source = try source()
        let names = try source.names(matching: tensor)
        var standardOutput = StandardOutput()
        var report = QuantizationReport()
        var writer = QuantizedFileWriter(seed: seed)
        let total = formats.count * names.reduce(0) { $0 + source.shape(of: $1).reduce(1, *) }
        let time = RemainingTime()
        var status = StatusLine()
        var done = 0
        for (index, name) in names.enumerated() {
            let values = try source.tensor(name, seed: seed, pool)
            let random = QuantizationRandom(
                seed: seed, step: 0, operandID: UInt32(truncatingIfNeeded: index),
                operationID: UInt32(truncatingIfNeeded: index))
            let healths = values.withMatrix { matrix in
                formats.map { format in
                    let share = LogFormat.fixed(100 * Double(done) / Double(max(1, total)), decimals: 0)
                    status.show("\(name) in \(format)  \(share) %  eta \(time.text(done: done, of: total))")
                    defer { done += values.values.count }
                    let quantizer = ReferenceQuantizer(format, random: random)
                    if output == nil { return quantizer.health(of: matrix, pool: pool) }
                    let quantized = quantizer.quantize(matrix, pool: pool)
                    writer.add(values, quantized)
                    return quantized.health
                }
            }
            report.add(values, formats, healths)
            status.hide()
            if !json { try standardOutput.write(report.text(of: report.tensors.count - 1)) }
        }
        if let output { try writer.write(to: output) }
        try standardOutput.write(json ? try report.json() : report.totalText())
    }

    // MARK: Flags

    /// All named formats that change anything, and four over six.
    static var defaultFormats: [BlockFormat] {
        var fourOverSix = BlockFormat.nvfp4
        fourOverSix.fourOverSix = true
        return BlockFormat.named.map(\.format).filter { $0 != .fp32 } + [fourOverSix]
    }

    private func chosenFormats() throws -> [BlockFormat] {
        if format.isEmpty { return Self.defaultFormats }
        return try format.map { text in
            do throws(UserError) {
                return try BlockFormat(parsing: text)
            } catch {
                throw UserError("--format \(text): \(error)")
            }
        }
    }

    private func checkOutput(_ path: String, _ formats: [BlockFormat]) throws {
        guard format.count == 1, let format = formats.first else {
            throw UserError("--output \(path): --format is given \(format.count) times; expected one format to write")
        }
        guard format.unscaled == nil else {
            throw UserError("--output \(path): --format is \(format); expected a format with scales, such as nvfp4")
        }
        try OutputFile.check(path, flag: "--output", permission: "--force", isGiven: force)
    }

    private func source() throws -> QuantizationSource {
        let counts: [(Distribution, Int?)] = [(.gaussian, gaussian), (.laplace, laplace), (.student, student)]
        let drawn = counts.compactMap { distribution, count in count.map { (distribution, $0) } }
        guard drawn.count + (file == nil ? 0 : 1) == 1 else {
            throw ValidationError("expected one of: a file, --gaussian, --laplace, --student")
        }
        if let columns, columns < 1 { throw UserError("--columns is \(columns); expected a number from 1 up") }
        if let (distribution, count) = drawn.first {
            guard (1...1 << 30).contains(count) else {
                throw UserError("--\(distribution.rawValue) is \(count); expected a number from 1 to \(1 << 30)")
            }
            try refuseTensorNames()
            return .distribution(distribution, try shape(count, "--\(distribution.rawValue) \(count)"))
        }
        let path = file ?? ""
        if raw || [".f32", ".bin"].contains(where: path.hasSuffix) {
            try refuseTensorNames()
            let values = try QuantizationSource.rawFloats(path)
            return .raw(path, values, try shape(values.count, path))
        }
        guard columns == nil else {
            throw UserError("--columns is for raw and drawn data; tensors of a safetensors file have their own shape")
        }
        return .safeTensors(try SafeTensors.File(path))
    }

    private func refuseTensorNames() throws {
        guard tensor.isEmpty else { throw UserError("--tensor is for safetensors files, which have several tensors") }
    }

    private func shape(_ count: Int, _ what: String) throws -> [Int] {
        let columns = columns ?? (count.isMultiple(of: 1024) ? 1024 : count)
        guard count.isMultiple(of: columns) else {
            throw UserError("\(what): \(count) values are not whole rows of --columns \(columns)")
        }
        return [count / columns, columns]
    }
}
