import Core
import Foundation
import Testing

@Suite struct BlockFormatTextTests {
    static let texts =
        BlockFormat.named.map(\.name) + [
            "e2m1:row:e8m0-ceil", "e5m2:tensor:fp32", "e4m3:1x64:e8m0-nearest", "e2m1:32x32:e4m3", "nvfp4+sr",
            "nvfp4-2d+4/6", "mxfp4+sr+prescale=0.75", "nvfp4+sr+prescale=0.9411765", "fp4+hadamard=32",
            "nvfp4+hadamard=16:fixed", "mxfp4+sr+prescale=0.75+hadamard=64:random", "nvfp4+sr+4/6+hadamard=128",
            "e2m1:1x32:e8m0-nearest+std+hadamard=32", "fp4+sr+std", "nvfp4+eden+hadamard=128:random",
        ]

    @Test(arguments: texts)
    func textRoundTrips(_ text: String) throws {
        let format = try BlockFormat(parsing: text)
        #expect(format.description == text)
        let json = try JSONEncoder().encode([format])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(text.replacing("/", with: "\\/"))\"]")
        #expect(try JSONDecoder().decode([BlockFormat].self, from: json) == [format])
    }

    @Test(arguments: [
        ("e2m1:1x16:e4m3", "nvfp4"), ("e4m3:128x128:fp32", "fp8-2d"), ("E2M1:tensor:FP32", "fp4-tensor"),
        ("mxfp4+prescale=3/4+sr", "mxfp4+sr+prescale=0.75"), ("nvfp4+prescale=1", "nvfp4"), ("NVFP4", "nvfp4"),
    ])
    func theShortestTextIsWritten(_ text: String, _ shortest: String) throws {
        #expect(try BlockFormat(parsing: text).description == shortest)
    }

    @Test func theConstantsHaveTheirNames() throws {
        #expect(try BlockFormat(parsing: "nvfp4") == .nvfp4)
        #expect(try BlockFormat(parsing: "mxfp8") == .mxfp8)
        #expect(
            try BlockFormat(parsing: "mxfp4+sr+prescale=3/4+hadamard=64:random")
                == BlockFormat(
                    .e2m1, block: .vector(32), scale: .e8m0Floor, rounding: .stochastic, prescale: 0.75,
                    hadamard: .init(size: 64, signs: .random)))
    }

    @Test(arguments: [
        (
            "nvpf4",
            "there is no format \"nvpf4\"; the nearest is \"nvfp4\", "
                + "and formats without a name are written as in e2m1:1x128:fp32"
        ),
        ("e2m1:1x16", "format \"e2m1:1x16\": expected three parts, ELEMENT:BLOCK:SCALE, as in e2m1:1x128:fp32"),
        ("bf16:row:fp32", "format \"bf16:row:fp32\": the element is \"bf16\"; expected e2m1, e4m3 or e5m2"),
        (
            "e2m1:1x24:fp32",
            "format \"e2m1:1x24:fp32\": the block is \"1x24\"; "
                + "expected tensor, row, 1xN or NxN with N = 16, 32, 64 or 128"
        ),
        (
            "e2m1:16x32:fp32",
            "format \"e2m1:16x32:fp32\": the block is \"16x32\"; "
                + "expected tensor, row, 1xN or NxN with N = 16, 32, 64 or 128"
        ),
        (
            "e2m1:1x32:e8m0",
            "format \"e2m1:1x32:e8m0\": the scale is \"e8m0\"; "
                + "expected one of fp32, e8m0-floor, e8m0-ceil, e8m0-nearest, e4m3"
        ),
        ("e4m3:1x16:e4m3", "format \"e4m3:1x16:e4m3\": the element is e4m3; e4m3 scales are for e2m1"),
        ("e2m1:row:e4m3", "format \"e2m1:row:e4m3\": the block is row; expected 1xN or NxN for e4m3 scales"),
        (
            "e2m1:32x32:e4m3+4/6",
            "format \"e2m1:32x32:e4m3+4/6\": the block is 32x32; expected 1xN or 16x16 for +4/6"
        ),
        ("mxfp4+4/6", "format \"mxfp4+4/6\": +4/6 needs e2m1 with e4m3 scales, as nvfp4 has them"),
        ("nvfp4+std", "format \"nvfp4+std\": +std needs e2m1 in 1xN with fp32 or e8m0 scales"),
        ("fp4-2d+std", "format \"fp4-2d+std\": +std needs e2m1 in 1xN with fp32 or e8m0 scales"),
        (
            "mxfp4+eden+hadamard=32:random",
            "format \"mxfp4+eden+hadamard=32:random\": +eden needs e2m1 in 1xN with e4m3 scales, as nvfp4 has them"
        ),
        (
            "nvfp4+eden+hadamard=32",
            "format \"nvfp4+eden+hadamard=32\": +eden needs a Hadamard transform of at least 16 with random signs, "
                + "as in +hadamard=128:random"
        ),
        (
            "nvfp4+sr+eden+hadamard=32:random",
            "format \"nvfp4+sr+eden+hadamard=32:random\": +eden goes with none of +sr, +4/6 and +prescale"
        ),
        ("bf16+sr", "format \"bf16+sr\": bf16 has no scales, and takes no options"),
        ("nvfp4+sr+sr", "format \"nvfp4+sr+sr\": +sr is given twice"),
        (
            "nvfp4+rs",
            "format \"nvfp4+rs\": \"+rs\" is no option; expected +sr, +4/6, +std, +eden, +prescale=0.75 or +hadamard=32"
        ),
        (
            "nvfp4+prescale=0",
            "format \"nvfp4+prescale=0\": the prescale is \"0\"; "
                + "expected a number above 0 and at most 1, such as 0.75 or 16/17"
        ),
        (
            "nvfp4+prescale=nan",
            "format \"nvfp4+prescale=nan\": the prescale is \"nan\"; "
                + "expected a number above 0 and at most 1, such as 0.75 or 16/17"
        ),
        (
            "nvfp4+prescale=1/0",
            "format \"nvfp4+prescale=1/0\": the prescale is \"1/0\"; "
                + "expected a number above 0 and at most 1, such as 0.75 or 16/17"
        ),
        (
            "nvfp4+hadamard=8",
            "format \"nvfp4+hadamard=8\": the Hadamard transform is \"8\"; "
                + "expected 16, 32, 64 or 128, alone or with :fixed or :random"
        ),
        (
            "nvfp4+hadamard=16:none",
            "format \"nvfp4+hadamard=16:none\": the Hadamard transform is \"16:none\"; "
                + "expected 16, 32, 64 or 128, alone or with :fixed or :random"
        ),
    ])
    func whatIsWrongIsSaid(_ text: String, _ message: String) {
        #expect(throws: UserError(message)) { try BlockFormat(parsing: text) }
    }

    @Test(arguments: [
        "", "+", ":", "::", "nvfp4+", "nvfp4+prescale=", "nvfp4+prescale=1/2/3", "fp4+hadamard=", "x:x:x",
    ])
    func nonsenseIsRefused(_ text: String) {
        #expect(throws: UserError.self) { try BlockFormat(parsing: text) }
        let json = Data("[\"\(text)\"]".utf8)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([BlockFormat].self, from: json) }
    }

    @Test func sizesAreChecked() {
        #expect(throws: UserError("the block has size 8; expected 16, 32, 64 or 128")) {
            try BlockFormat(.e2m1, block: .vector(8)).validate()
        }
        #expect(throws: UserError.self) {
            try BlockFormat(.e2m1, block: .row, hadamard: .init(size: 3, signs: .none)).validate()
        }
        #expect(throws: UserError.self) { try BlockFormat(.e2m1, block: .row, prescale: 2).validate() }
    }

    @Test func aRunConfigurationTakesAnyFormat() throws {
        var configuration = RunConfiguration()
        try configuration.apply([
            .init(path: "recipe.fp4_fprop_x", value: .string("e2m1:1x16:e4m3+4/6"), origin: "here")
        ])
        #expect(configuration.recipe.fp4.fprop.a.description == "nvfp4+4/6")
        #expect(configuration.toml.contains("fp4_fprop_x = \"nvfp4+4/6\""))
        let json = try JSONEncoder().encode(configuration)
        #expect(try JSONDecoder().decode(RunConfiguration.self, from: json) == configuration)
        #expect(
            throws: UserError(
                "here: recipe.fp4_fprop_x = \"fp5\" is not possible: there is no format \"fp5\"; the nearest is \"fp8\", "
                    + "and formats without a name are written as in e2m1:1x128:fp32")
        ) {
            try configuration.apply([.init(path: "recipe.fp4_fprop_x", value: .string("fp5"), origin: "here")])
        }
    }
}
