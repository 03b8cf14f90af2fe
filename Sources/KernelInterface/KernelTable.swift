/// The instruction sets that have kernels of their own, from the slowest to the fastest.
public enum KernelTier: String, Sendable, CaseIterable {
    case portable, avx2, avx512
}

/// The kernels of one instruction set: a table of functions without captures, chosen once at start.
///
/// Every function works on raw pointers, is serial and allocates nothing. Every tier returns the same bits: sums run
/// over 16 lanes that are added in a fixed order, whatever the width of the machine's registers.
public struct KernelTable: Sendable {
    public var tier: KernelTier

    public init(tier: KernelTier) {
        self.tier = tier
    }
}
