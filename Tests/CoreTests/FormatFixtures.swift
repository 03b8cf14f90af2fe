import Foundation

@testable import Core

/// A fixture of `Reference/make_formats.py`.
struct FormatFixture {
    let file: SafeTensors.File

    init(_ name: String) throws {
        let url = Bundle.module.url(forResource: name, withExtension: "safetensors", subdirectory: "Fixtures")!
        file = try SafeTensors.File(url.path)
    }

    func shape(_ name: String) -> [Int]? { file.shape(name) }

    func floats(_ name: String) throws -> [Float] { try file.floats(name) }

    func integers(_ name: String) throws -> [Int32] { try array(name, .i32, of: Int32(0)) }

    func bytes(_ name: String) throws -> [UInt8] { try array(name, .u8, of: UInt8(0)) }

    private func array<T>(_ name: String, _ type: SafeTensors.ElementType, of zero: T) throws -> [T] {
        let shape = file.shape(name)!
        var values = Array(repeating: zero, count: shape.reduce(1, *))
        try values.withUnsafeMutableBytes { try file.copy(name, type: type, shape: shape, to: $0.baseAddress!) }
        return values
    }
}

extension [Float] {
    /// The bits, with one NaN for all: for comparisons that tell the signs of zeros apart.
    var bits: [UInt32] { map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern } }
}
