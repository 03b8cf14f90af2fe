import Core
import Foundation
import Testing

@testable import fp4tui

@Suite struct QuantizeTests {
    /// A model of two matrices, a vector of BF16 and a tensor of bytes, as Python would write it.
    static func writeModel(_ path: String) throws {
        let w = Distribution.gaussian.values(count: 6 * 40, seed: 1)
        let b = Distribution.laplace.values(count: 33, seed: 2)
        var broken = Distribution.gaussian.values(count: 64, seed: 3)
        broken[5] = .nan
        try SafeTensors.write(
            [
                .init(name: "a.weight", shape: [2, 3, 40], floats: w), .init(name: "b.weight", shape: [33], floats: b),
                .init(name: "c.broken", shape: [2, 32], floats: broken),
                .init(name: "d.bytes", shape: [4], bytes: [1, 2, 3, 4]),
            ], metadata: [:], to: path)
    }

    static func report(_ arguments: [String]) throws -> QuantizationReport {
        let result = try Binary.run(["quantize", "--json"] + arguments)
        #expect(result.errors.isEmpty)
        #expect(result.status == 0)
        return try JSONDecoder().decode(QuantizationReport.self, from: Data(result.output.utf8))
    }

    static func matrix<T>(_ values: [Float], columns: Int, _ body: (MatrixView) -> T) -> T {
        NamedTensor(name: "", shape: [values.count / columns, columns], values: values).withMatrix(body)
    }

    @Test func everyTensorInEveryFormat() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/model.safetensors"
            try Self.writeModel(path)
            let report = try Self.report([path, "--format", "nvfp4", "--format", "mxfp4"])
            #expect(report.tensors.map(\.name) == ["a.weight", "b.weight", "c.broken"])
            #expect(report.tensors.map(\.shape) == [[2, 3, 40], [33], [2, 32]])
            #expect(report.tensors.map(\.nonFinite) == [0, 0, 1])
            #expect(report.tensors[0].formats.map(\.format) == [.nvfp4, .mxfp4])
            let expected = Self.matrix(Distribution.gaussian.values(count: 240, seed: 1), columns: 40) {
                ReferenceQuantizer(.nvfp4).health(of: $0)
            }
            #expect(report.tensors[0].formats[0].health == expected)
            #expect(report.tensors[2].formats.map(\.health.nonFinite) == [64, 32])
            #expect(report.tensors[2].formats[0].relMSE == nil)
            #expect(report.total[1].health.count == 240 + 33 + 64)
            #expect(try Self.report([path]).tensors[0].formats.map(\.format) == QuantizeCommand.defaultFormats)
        }
    }

    @Test func tablesAreAligned() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/model.safetensors"
            try Self.writeModel(path)
            let result = try Binary.run(["quantize", path, "--tensor", "c.*", "--format", "mxfp4", "--format", "nvfp4"])
            #expect(
                result.output == """
                    c.broken  [2, 32]  64 values
                      infinities and NaN: 1
                      format  relMSE  SQNR dB    cosine  saturated %  underflow %   bits  became NaN
                      mxfp4   0.0115    19.40  0.994257         0.00        12.50  4.250          32
                      nvfp4        -        -         -            -            -  5.000          64


                    """)
        }
    }

    @Test(arguments: [
        "nvfp4", "nvfp4-2d+4/6", "mxfp4+sr+prescale=0.75+hadamard=64:random", "fp8", "fp4-row", "e5m2:tensor:fp32",
    ])
    func theOutputHoldsWhatTheQuantizerMade(_ text: String) throws {
        let format = try BlockFormat(parsing: text)
        try withTemporaryFolder { folder in
            let (path, output) = (folder + "/model.safetensors", folder + "/out.safetensors")
            try Self.writeModel(path)
            let arguments = ["quantize", path, "--tensor", "[ab].*", "--format", text, "--output", output]
            #expect(try Binary.run(arguments).status == 0)
            let file = try SafeTensors.File(output)
            #expect(file.metadata["format"] == text)
            let random = QuantizationRandom(seed: 1, step: 0, operandID: 0, operationID: 0)
            let values = Distribution.gaussian.values(count: 240, seed: 1)
            let expected = Self.matrix(values, columns: 40) { ReferenceQuantizer(format, random: random).quantize($0) }
            #expect(try file.floats("a.weight.dequantized") == expected.dequantized)
            #expect(file.shape("a.weight.dequantized") == [2, 3, expected.geometry.paddedDepth])
            let bytes = format.element.bits * expected.geometry.paddedDepth / 8
            #expect(file.shape("a.weight.codes") == [2, 3, bytes])
            #expect(file.shape("a.weight.scales") == [expected.geometry.gridRows, expected.geometry.gridColumns])
            #expect(file.type("a.weight.scales") == (format.scale == .fp32 ? "F32" : "U8"))
            #expect((file.shape("a.weight.tensor_scale") == [1]) == (format.scale == .e4m3))

            let again = try Binary.run(arguments)
            #expect(again.errors == "fp4tui: --output \(output): the file exists; --force replaces it\n")
            #expect(again.status == 2)
            #expect(try Binary.run(arguments + ["--force"]).status == 0)
        }
    }

    @Test func oddRowsAreFilledUp() throws {
        let values = Distribution.gaussian.values(count: 15, seed: 1)
        let quantized = Self.matrix(values, columns: 5) { ReferenceQuantizer(.nvfp4).quantize($0) }
        let packed = QuantizedFileWriter.packed(quantized.codes, columns: 5)
        #expect(packed.count == 9)
        #expect(packed[3] == quantized.codes[5] | quantized.codes[6] << 4)
        #expect(packed[5] == quantized.codes[9])
    }

    @Test func rawFloats() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/values.f32"
            let values = Distribution.laplace.values(count: 2048, seed: 4)
            try values.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: path))
            #expect(try Self.report([path, "--format", "fp4"]).tensors.map(\.shape) == [[2, 1024]])
            let report = try Self.report([path, "--columns", "64", "--raw", "--format", "fp4"])
            #expect(report.tensors.map(\.name) == ["values"])
            let expected = Self.matrix(values, columns: 64) { ReferenceQuantizer(.fp4).health(of: $0) }
            #expect(report.tensors[0].formats[0].health == expected)

            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
            let result = try Binary.run(["quantize", path])
            #expect(
                result.errors == "fp4tui: \(path) has 3 bytes; expected float32 values of 4 bytes each, one at least\n")
        }
    }

    @Test func drawnValues() throws {
        for distribution in Distribution.allCases {
            let flags = ["--\(distribution.rawValue)", "5000", "--seed", "9", "--format", "mxfp4"]
            let report = try Self.report(flags)
            #expect(report.tensors.map(\.shape) == [[1, 5000]])
            #expect(try Self.report(flags + ["--threads", "3"]) == report)
        }
    }

    @Test(
        arguments: [
            (
                [], "expected one of: a file, --gaussian, --laplace, --student\nSee 'fp4tui --help'."
            ),
            (["--gaussian", "0"], "--gaussian is 0; expected a number from 1 to 1073741824"),
            (["--gaussian", "9", "--columns", "2"], "--gaussian 9: 9 values are not whole rows of --columns 2"),
            (["--gaussian", "9", "--columns", "0"], "--columns is 0; expected a number from 1 up"),
            (["--gaussian", "9", "--tensor", "a"], "--tensor is for safetensors files, which have several tensors"),
            (
                ["--gaussian", "9", "--format", "nvfp4:"],
                "--format nvfp4:: format \"nvfp4:\": expected three parts, ELEMENT:BLOCK:SCALE, as in e2m1:1x128:fp32"
            ),
            (
                ["--gaussian", "9", "--output", "/tmp/x"],
                "--output /tmp/x: --format is given 0 times; expected one format to write"
            ),
            (
                ["--gaussian", "9", "--output", "/tmp/x", "--format", "bf16"],
                "--output /tmp/x: --format is bf16; expected a format with scales, such as nvfp4"
            ),
            (["/nonexistent"], "cannot open /nonexistent: there is no such file"),
            (["/nonexistent.f32"], "cannot open /nonexistent.f32: there is no such file"),
        ] as [([String], String)])
    func aMistakeIsOneSentence(_ arguments: [String], _ message: String) throws {
        let result = try Binary.run(["quantize"] + arguments)
        #expect(result.errors == "fp4tui: \(message)\n")
        #expect(result.output.isEmpty)
        #expect(result.status == 2)
    }

    @Test(arguments: [
        ("x*", "no tensor of PATH has such a name; the nearest is a.weight"),
        ("d.*", "d.bytes is U8, but F32, F16 or BF16 is expected"),
    ])
    func aPatternThatMatchesNothing(_ glob: String, _ message: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/model.safetensors"
            try Self.writeModel(path)
            let result = try Binary.run(["quantize", path, "--tensor", glob])
            #expect(
                result.errors == "fp4tui: --tensor \(glob): \(message.replacingOccurrences(of: "PATH", with: path))\n")
        }
    }
}
