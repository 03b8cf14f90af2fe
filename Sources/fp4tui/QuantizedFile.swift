import Core

/// The file of `fp4tui quantize --output`: codes, scales and dequantized values; the command's help describes it.
struct QuantizedFileWriter {
    private var tensors: [SafeTensors.Output] = []
    private var metadata: [String: String]

    init(seed: UInt64) {
        metadata = [
            "producer": "fp4tui \(Program.configuration.version)", "seed": "\(seed)",
            "dequantized": "decode(code) * scale of its block",
        ]
    }

    mutating func add(_ tensor: NamedTensor, _ quantized: QuantizedMatrix) {
        let format = quantized.format
        let geometry = quantized.geometry
        let rowShape = Array(tensor.shape.dropLast())
        let isPacked = format.element.bits == 4
        let codeColumns = isPacked ? (geometry.paddedDepth + 1) / 2 : geometry.paddedDepth
        let codes = isPacked ? Self.packed(quantized.codes, columns: geometry.paddedDepth) : quantized.codes
        tensors.append(.init(name: tensor.name + ".codes", shape: rowShape + [codeColumns], bytes: codes))
        let (scales, grid) = (tensor.name + ".scales", [geometry.gridRows, geometry.gridColumns])
        tensors.append(
            format.scale == .fp32
                ? .init(name: scales, shape: grid, floats: quantized.scales)
                : .init(name: scales, shape: grid, bytes: quantized.scaleCodes))
        if let tensorScale = quantized.tensorScale {
            tensors.append(.init(name: tensor.name + ".tensor_scale", shape: [1], floats: [tensorScale]))
        }
        tensors.append(
            .init(
                name: tensor.name + ".dequantized", shape: rowShape + [geometry.paddedDepth],
                floats: quantized.dequantized))
        describe(format, isPacked: isPacked)
    }

    /// - Throws: `UserError` naming the file.
    func write(to path: String) throws {
        try SafeTensors.write(tensors, metadata: metadata, to: path)
    }

    private mutating func describe(_ format: BlockFormat, isPacked: Bool) {
        metadata["format"] = format.description
        metadata["element"] = format.element.rawValue
        metadata["block"] = format.block.description
        metadata["scale"] = format.scale.text
        metadata["prescale"] = "\(format.prescale)"
        metadata["codes"] = isPacked ? "two in a byte, the first in the low half" : "one in a byte"
        metadata["scales"] =
            switch format.scale {
            case .fp32: "scale"
            case .e8m0Floor, .e8m0Ceiling, .e8m0Nearest: "e8m0: scale = 2^(code - 127) / prescale"
            case .e4m3: "e4m3: scale = decode(code) * tensor_scale"
            }
        if let hadamard = format.hadamard {
            metadata["hadamard"] = "\(hadamard.size), signs \(hadamard.signs.rawValue)"
        }
    }

    /// Two codes in a byte, the first in the low half; rows of an odd length end with a zero.
    static func packed(_ codes: [UInt8], columns: Int) -> [UInt8] {
        guard columns > 0 else { return [] }
        var result: [UInt8] = []
        result.reserveCapacity(codes.count / columns * ((columns + 1) / 2))
        for row in stride(from: 0, to: codes.count, by: columns) {
            for column in stride(from: 0, to: columns, by: 2) {
                let second = column + 1 < columns ? codes[row + column + 1] : 0
                result.append(codes[row + column] | second << 4)
            }
        }
        return result
    }
}
