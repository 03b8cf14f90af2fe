import Core
import Foundation
import Testing

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

    @Test(arguments: [
        (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "tensor a has 8 bytes, which do not fit F32 [3]"),
        (
            #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
            "tensor a has 8 bytes, which do not fit F32 [4294967296, 4294967296]"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}"#,
            "tensor a has 8 bytes, which do not fit F32 [-1, -2]"
        ),
        (
            #"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#,
            "tensor a is I64, but F32, F16 or BF16 is expected"
        ),
    ])
    func aTensorThatIsNoneIsRefused(_ header: String, _ message: String) throws {
        try Self.withFile(header, Array(repeating: 0, count: 8)) { file in
            #expect(throws: UserError("\(file.path): \(message)")) { try file.floats("a") }
        }
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
        try #expect(file.floats("x") == [1, -0.5])
        try #expect(file.floats("empty") == [])
        #expect(file.type("y") == "U8" && file.shape("y") == [3])
        #expect(throws: UserError("\(path) has no tensor z")) { try file.floats("z") }
    }
}
