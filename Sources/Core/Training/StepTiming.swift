/// Where the time of one optimizer step went, milliseconds.
public struct StepTiming: Codable, Sendable, Hashable {
    public var forward: Double
    public var backward: Double
    /// Gradient norm and AdamW.
    public var optimizer: Double
    /// Quantizing and packing operands: part of `forward` and `backward`.
    public var quantize: Double

    public init(forward: Double, backward: Double, optimizer: Double, quantize: Double) {
        self.forward = forward
        self.backward = backward
        self.optimizer = optimizer
        self.quantize = quantize
    }
}
