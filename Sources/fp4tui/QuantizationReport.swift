import Core
import Foundation

/// The figures of every tensor in every format.
struct QuantizationReport: Codable, Hashable {
    struct Tensor: Codable, Hashable {
        var name: String
        var shape: [Int]
        /// Infinities and NaN in the tensor itself.
        var nonFinite: Int
        var formats: [Figures]

        var count: Int { shape.reduce(1, *) }
    }

    /// What a format did; the fields that have no value (a cosine without a signal) are missing.
    struct Figures: Codable, Hashable {
        var format: BlockFormat
        var relMSE: Double?
        var sqnr: Double?
        var cosine: Double?
        var saturation: Double?
        var underflow: Double?
        var bitsPerValue: Double?
        var health: QuantizationHealth

        init(_ format: BlockFormat, _ health: QuantizationHealth) {
            self.format = format
            self.health = health
            relMSE = health.relMSE
            sqnr = health.sqnr
            cosine = health.cosine
            saturation = health.saturation
            underflow = health.underflow
            bitsPerValue = health.bitsPerValue
        }
    }

    private(set) var tensors: [Tensor] = []
    /// Of all tensors together.
    private(set) var total: [Figures] = []

    mutating func add(_ tensor: NamedTensor, _ formats: [BlockFormat], _ healths: [QuantizationHealth]) {
        let nonFinite = tensor.values.reduce(0) { $0 + ($1.isFinite ? 0 : 1) }
        let figures = zip(formats, healths).map(Figures.init)
        tensors.append(Tensor(name: tensor.name, shape: tensor.shape, nonFinite: nonFinite, formats: figures))
        if total.isEmpty {
            total = figures
        } else {
            total = zip(total, figures).map { sum, part in
                var health = sum.health
                health.add(part.health)
                return Figures(sum.format, health)
            }
        }
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    /// A tensor's name and table.
    func text(of index: Int) -> String {
        let tensor = tensors[index]
        let title = "\(tensor.name)  \(tensor.shape)  \(LogFormat.grouped(tensor.count)) values"
        return Self.text(title, nonFinite: tensor.nonFinite, tensor.formats)
    }

    /// The table of all tensors; nothing if there is one only.
    func totalText() -> String {
        guard tensors.count > 1 else { return "" }
        let count = tensors.reduce(0) { $0 + $1.count }
        let title = "all \(tensors.count) tensors  \(LogFormat.grouped(count)) values"
        return Self.text(title, nonFinite: tensors.reduce(0) { $0 + $1.nonFinite }, total)
    }

    private static func text(_ title: String, nonFinite: Int, _ figures: [Figures]) -> String {
        var header = ["format", "relMSE", "SQNR dB", "cosine", "saturated %", "underflow %", "bits"]
        let hasNaN = figures.contains { $0.health.nonFinite > 0 }
        if hasNaN { header.append("became NaN") }
        let rows = figures.map { figures in
            var row = [
                figures.format.description, text(figures.relMSE) { String(format: "%#.3g", $0) },
                text(figures.sqnr) { LogFormat.fixed($0, decimals: 2) },
                text(figures.cosine) { LogFormat.fixed($0, decimals: 6) },
                text(figures.saturation) { LogFormat.fixed(100 * $0, decimals: 2) },
                text(figures.underflow) { LogFormat.fixed(100 * $0, decimals: 2) },
                text(figures.bitsPerValue) { LogFormat.fixed($0, decimals: 3) },
            ]
            if hasNaN { row.append(LogFormat.grouped(figures.health.nonFinite)) }
            return row
        }
        let notice = nonFinite > 0 ? ["  infinities and NaN: \(LogFormat.grouped(nonFinite))"] : []
        let table = LogFormat.columns([header] + rows, leftAligned: 1).map { "  " + $0 }
        return ([title] + notice + table + [""]).map { $0 + "\n" }.joined()
    }

    private static func text(_ value: Double?, _ write: (Double) -> String) -> String {
        value.map(write) ?? "-"
    }
}
