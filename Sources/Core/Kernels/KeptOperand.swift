/// A packed operand that several GEMMs have in common: the first of them packs it.
///
/// Only for formats whose values depend on no random number, and for values that stay the same until it is told to forget.
public final class KeptOperand {
    private var buffer = PackingBuffer()
    private var content: (layout: PackedLayout, format: BlockFormat)?
    /// What quantization did to the operand.
    private(set) var health = QuantizationHealth()

    public init() {}

    var memoryBytes: Int { buffer.capacity }

    /// To be called when the values change.
    public func forget() { content = nil }

    func holds(_ layout: PackedLayout, _ format: BlockFormat) -> Bool {
        content.map { $0.layout == layout && $0.format == format } ?? false
    }

    /// Where an operand lies, or is to lie.
    func place(_ layout: PackedLayout) -> PackedMatrix {
        if layout.byteCount > buffer.capacity { content = nil }
        return PackedMatrix(layout, in: buffer.reserve(layout.byteCount))
    }

    func keep(_ layout: PackedLayout, _ format: BlockFormat, _ health: QuantizationHealth) {
        content = (layout, format)
        self.health = health
    }
}

extension BlockFormat {
    /// Values are quantized alike at every call.
    var isDeterministic: Bool {
        guard case .nearest = rounding, !eden else { return false }
        if case .random = hadamard?.signs { return false }
        return true
    }
}

/// Memory that grows to the largest size asked for and keeps it.
struct PackingBuffer: ~Copyable {
    private var memory = allocateForMatrices(byteCount: 64)
    private(set) var capacity = 64

    mutating func reserve(_ bytes: Int) -> UnsafeMutableRawPointer {
        if bytes > capacity {
            memory.deallocate()
            memory = allocateForMatrices(byteCount: bytes)
            capacity = bytes
        }
        return memory
    }

    deinit { memory.deallocate() }
}
