import Foundation
import Testing

@testable import Core

@Suite struct SafeTensorsTests {
    /// A file as others write it: a header and bytes.
    static func withFile(_ header: String, _ bytes: [UInt8], _ body: (SafeTensors.File) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).safetensors")
        defer { try? FileManager.default.removeItem(at: url) }
        var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
        data.append(contentsOf: Array(header.utf8) + bytes)
        try data.write(to: url)
        try body(SafeTensors.File(url.path))
    }

    @Test func halfPrecisionIsRead() throws {
        let header = """
            {"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"F16","shape":[2,2],"data_offsets":[6,14]}}
            """
        let bytes: [UInt8] = [0x80, 0x3F, 0x40, 0xC0, 0x80, 0x7F, 0x00, 0x3C, 0x01, 0x00, 0xFF, 0xFB, 0x00, 0x7C]
        try Self.withFile(header, bytes) { file in
            try #expect(file.floats("a") == [1, -3, .infinity])
            try #expect(file.floats("b") == [1, 0x1p-24, -65_504, .infinity])
            #expect(file.type("a") == "BF16" && file.type("c") == nil)
        }
    }

    @Test func aTensorOfAnotherTypeIsRefused() throws {
        let header = #"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#
        try Self.withFile(header, Array(repeating: 0, count: 8)) { file in
            #expect(throws: UserError("\(file.path): tensor a is I64, but F32, F16 or BF16 is expected")) {
                try file.floats("a")
            }
        }
    }

    @Test(arguments: [
        (
            #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            "tensor a has 8 bytes, which do not fit F32 [3]"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
            "tensor a has 8 bytes, which do not fit F32 [4294967296, 4294967296]"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[4611686018427387904,4,2],"data_offsets":[0,8]}}"#,
            "tensor a has 8 bytes, which do not fit F32 [4611686018427387904, 4, 2]"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}"#,
            "its header is not the expected JSON: at byte 29 there should be an integer from 0 up"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}"#,
            "its header is not the expected JSON: at byte 29 there should be an integer below 2^63"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}"#,
            "its header is not the expected JSON: at byte 29 there should be an integer from 0 up"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
            "tensor b begins at byte 2 of the data, and the one before it ends at 4: they must follow each other"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}}"#,
            "tensor b begins at byte 5 of the data, and the one before it ends at 4: they must follow each other"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            "its tensors end at byte 4 of the data, and there are 8"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#,
            "tensor a ends at byte 12 of the data, and there are 8 (is it cut short?)"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            "tensor a has \"data_offsets\" [8, 0]; expected its begin and its end"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[]}}"#,
            "tensor a has \"data_offsets\" []; expected its begin and its end"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}"#,
            "its header has the key \"a\" twice"
        ),
        (
            #"{"__metadata__":{"k":"1","k":"2"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            "its header has the key \"k\" twice"
        ),
        (#"{"__metadata__":{},"__metadata__":{}}"#, "its header has the key \"__metadata__\" twice"),
        (
            #"{"a":{"dtype":"F32","dtype":"U8","shape":[2],"data_offsets":[0,8]}}"#,
            "its header has the key \"dtype\" twice"
        ),
        (#"{"a":{"dtype":"F32","shape":[2]}}"#, "tensor a needs the keys \"dtype\", \"shape\" and \"data_offsets\""),
        (#"{"a":{"extra":"F32"}}"#, "tensor a has an unknown key \"extra\""),
        (
            #"{"a":"# + String(repeating: "[", count: 100_000),
            "its header is not the expected JSON: at byte 5 there should be {"
        ),
        (
            String(repeating: #"{"a":"#, count: 100_000),
            "tensor a has an unknown key \"a\""
        ),
        (
            #"{"__metadata__":{"k":"v"#,
            "its header is not the expected JSON: at byte 23 there should be the end of a string"
        ),
        (#"{"__metadata__":{"k":1}}"#, "its header is not the expected JSON: at byte 21 there should be \""),
        (
            #"{"__metadata__":{"k":"\ud800"}}"#,
            "its header is not the expected JSON: at byte 28 there should be a string of UTF-8"
        ),
        ("{} {}", "its header is not the expected JSON: at byte 3 there should be its end"),
        ("", "its header is not the expected JSON: at byte 0 there should be {"),
    ])
    func aFileThatIsNoneIsRefused(_ header: String, _ message: String) throws {
        do {
            try Self.withFile(header, Array(repeating: 0, count: 8)) { _ in Issue.record("\(header.prefix(200))") }
        } catch let error as UserError {
            let told = error.description.components(separatedBy: " is not a safetensors file: ").last
            #expect(told == message, "\(header.prefix(200))")
        }
    }

    @Test(
        arguments: [
            ([1, 2, 3], "it has 3 bytes, and at least 8 are needed"),
            (
                [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7B],
                "its header should be 18446744073709551615 bytes long; at most 100000000 are read"
            ),
            ([9, 0, 0, 0, 0, 0, 0, 0, 0x7B], "its header should be 9 bytes long, but the file has 9"),
            ([], "it has 0 bytes"),
        ] as [([UInt8], String)])
    func aLengthThatIsNoneIsRefused(_ bytes: [UInt8], _ message: String) throws {
        let folder = try TemporaryDirectory()
        let path = try folder.write("x", bytes)
        expectUserError(["\(path) is not a safetensors file: \(message)"]) { _ = try SafeTensors.File(path) }
    }

    @Test func unalignedTensorsAreRead() throws {
        let header =
            #" { "a" : {"shape":[1] ,"data_offsets":[0,1],"dtype":"U8"}, "# + "\n\t"
            + #""\u0062\"/":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},"c":{"dtype":"F32","shape":[0,9],"data_offsets":[9,9]}}"#
        try Self.withFile(header, [7, 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]) { file in
            #expect(file.names == ["a", "b\"/", "c"])
            try #expect(file.floats("b\"/") == [1, -2])
            try #expect(file.floats("c") == [])
        }
    }

    /// Rows and columns that are no multiples of the squares that are exchanged.
    @Test func matricesAreTransposed() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/x.safetensors"
        let values = (0..<70 * 37).map(Float.init)
        try values.withUnsafeBufferPointer {
            try SafeTensors.write(
                [.init(name: "x", shape: [37, 70], transposing: $0.baseAddress!)], metadata: [:], to: path)
        }
        let file = try SafeTensors.File(path)
        let stored = try file.floats("x")
        let isTransposed = stored.indices.allSatisfy { stored[$0] == values[$0 % 70 * 37 + $0 / 70] }
        #expect(isTransposed)
        var back = [Float](repeating: .nan, count: values.count)
        try file.copyTransposed("x", shape: [37, 70], to: &back)
        #expect(back == values)
    }

    @Test func whatIsWrittenIsRead() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try SafeTensors.write(
            [
                .init(name: "x", shape: [2, 1], floats: [1, -0.5]), .init(name: "y", shape: [3], bytes: [1, 2, 255]),
                .init(name: "empty", shape: [0, 4], floats: []),
            ], metadata: ["k": "v"], to: path)
        let file = try SafeTensors.File(path)
        #expect(file.metadata == ["k": "v"])
        try file.verifyChecksum()
        try #expect(file.floats("x") == [1, -0.5])
        try #expect(file.floats("empty") == [])
        #expect(file.type("y") == "U8" && file.shape("y") == [3])
        #expect(throws: UserError("\(path) has no tensor z")) { try file.floats("z") }
    }
}
