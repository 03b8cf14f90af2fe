import Core
import Foundation

/// A tensor in memory, and its name.
struct NamedTensor {
    var name: String
    var shape: [Int]
    var values: [Float]

    /// Calls the body with the tensor as a matrix: its last axis as columns, all others as rows.
    func withMatrix<T>(_ body: (MatrixView) -> T) -> T {
        let columns = shape.last ?? 1
        let rows = shape.dropLast().reduce(1, *)
        return values.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress, !values.isEmpty else {
                return withUnsafePointer(to: Float(0)) { body(MatrixView($0, rows: 0, columns: columns)) }
            }
            return body(MatrixView(base, rows: rows, columns: columns))
        }
    }
}

/// Where the values come from.
enum QuantizationSource {
    case safeTensors(SafeTensors.File)
    case raw(String, [Float], [Int])
    case distribution(Distribution, [Int])

    /// The tensors to quantize.
    ///
    /// - Parameter globs: shell patterns; none stands for all tensors that are floating-point numbers.
    /// - Throws: `UserError` if there is none, or if a pattern matches none.
    func names(matching globs: [String]) throws -> [String] {
        guard case .safeTensors(let file) = self else { return [name] }
        let names = file.names.filter { ["F32", "F16", "BF16"].contains(file.type($0)) }
        guard !names.isEmpty else {
            throw UserError("\(file.path): none of its \(file.names.count) tensors is F32, F16 or BF16")
        }
        guard !globs.isEmpty else { return names }
        for glob in globs where !names.contains(where: { Self.matches($0, glob) }) {
            if let other = file.names.first(where: { Self.matches($0, glob) }) {
                let type = file.type(other) ?? "unknown"
                throw UserError("--tensor \(glob): \(other) is \(type), but F32, F16 or BF16 is expected")
            }
            let nearest = EditDistance.nearest(to: glob, among: names).map { "; the nearest is \($0)" } ?? ""
            throw UserError("--tensor \(glob): no tensor of \(file.path) has such a name\(nearest)")
        }
        return names.filter { name in globs.contains { Self.matches(name, $0) } }
    }

    /// Of a tensor that `names` lists.
    func shape(of name: String) -> [Int] {
        switch self {
        case .safeTensors(let file): file.shape(name) ?? []
        case .raw(_, _, let shape), .distribution(_, let shape): shape
        }
    }

    /// - Throws: `UserError` if the tensor cannot be read.
    func tensor(_ name: String, seed: UInt64, _ pool: WorkerPool) throws -> NamedTensor {
        switch self {
        case .safeTensors(let file):
            NamedTensor(name: name, shape: shape(of: name), values: try file.floats(name))
        case .raw(_, let values, let shape):
            NamedTensor(name: name, shape: shape, values: values)
        case .distribution(let distribution, let shape):
            NamedTensor(
                name: name, shape: shape,
                values: distribution.values(count: shape.reduce(1, *), seed: seed, pool: pool))
        }
    }

    private var name: String {
        switch self {
        case .safeTensors(let file): file.path
        case .raw(let path, _, _): URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        case .distribution(let distribution, _): distribution.rawValue
        }
    }

    private static func matches(_ name: String, _ glob: String) -> Bool { fnmatch(glob, name, 0) == 0 }

    /// - Throws: `UserError` if the file is missing, unreadable, empty, or not whole floats.
    static func rawFloats(_ path: String) throws -> [Float] {
        guard let file = try? MappedFile(path: path) else {
            let reason = FileManager.default.fileExists(atPath: path) ? "it cannot be read" : "there is no such file"
            throw UserError("cannot open \(path): \(reason)")
        }
        let size = file.byteCount
        guard size > 0, size.isMultiple(of: 4) else {
            throw UserError("\(path) has \(size) bytes; expected float32 values of 4 bytes each, one at least")
        }
        let values = [Float](unsafeUninitializedCapacity: size / 4) { values, count in
            UnsafeMutableRawBufferPointer(values).copyMemory(from: file.bytes)
            count = size / 4
        }
        guard !file.isLost else {
            throw UserError("\(path) can no longer be read whole: it was cut short, or its disk fails")
        }
        return values
    }
}
