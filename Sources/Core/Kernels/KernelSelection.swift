import CProcessor
public import KernelInterface
import KernelsPortable

#if arch(x86_64)
import KernelsAVX2
import KernelsAVX512
import KernelsAVX512BF16
#endif

#if canImport(KernelsAVX512FP16)
import KernelsAVX512FP16
#endif

extension KernelTier {
    /// The tiers that this processor and operating system can run, from the slowest to the fastest.
    public static let available: [KernelTier] = {
        var tiers = [KernelTier.portable]
        if processor_has_avx2() { tiers.append(.avx2) }
        if processor_has_avx512() { tiers.append(.avx512) }
        if processor_has_avx512bf16() { tiers.append(.avx512bf16) }
        #if canImport(KernelsAVX512FP16)
        if processor_has_avx512fp16() { tiers.append(.avx512fp16) }
        #endif
        return tiers
    }()

    /// The tier that a setting names: "auto", or a tier's name.
    /// - Parameter flag: where the name was given, for the message.
    /// - Returns: nil for "auto".
    /// - Throws: `UserError` if the name is no tier's.
    public static func named(_ name: String, flag: String = "run.kernels") throws -> KernelTier? {
        if name == "auto" { return nil }
        guard let tier = KernelTier(rawValue: name) else {
            let names = allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            throw UserError("\(flag) is \"\(name)\"; expected \"auto\" or one of \(names).")
        }
        return tier
    }

    /// A tier, or the fastest one that runs here. AVX-512 BF16 is taken only where it is known to be fast, never by timing it:
    /// the same machine must always make the same choice.
    /// - Throws: `UserError` if this processor cannot run the tier.
    static func choose(_ forced: KernelTier?) throws -> KernelTier {
        let tier = forced ?? available.last { $0 != .avx512bf16 || processor_has_fast_bf16() } ?? .portable
        guard available.contains(tier) else {
            let names = available.map(\.rawValue).joined(separator: ", ")
            throw UserError("The kernels \"\(tier.rawValue)\" do not run on this processor; it can run: \(names).")
        }
        return tier
    }

    /// The kernels of a tier that this processor can run.
    var kernels: any KernelTable {
        switch self {
        #if arch(x86_64)
        case .avx512, .avx512bf16, .avx512fp16: KernelsAVX512.Kernels()
        case .avx2: KernelsAVX2.Kernels()
        #else
        case .avx512, .avx512bf16, .avx512fp16, .avx2: fatalError("listed as available on another architecture")
        #endif
        case .portable: KernelsPortable.Kernels()
        }
    }

    /// The kernels of a tier, that this processor can run, for pairs of bfloat16; nil if it has none.
    var pairKernels: (any PairKernelTable)? {
        #if arch(x86_64)
        if self == .avx512bf16 { return KernelsAVX512BF16.PairKernels() }
        #endif
        return nil
    }

    /// The half-precision kernels of a tier that this processor can run; nil if it has none.
    var halfKernels: (any HalfKernelTable)? {
        #if canImport(KernelsAVX512FP16)
        if self == .avx512fp16 { return KernelsAVX512FP16.HalfKernels() }
        #endif
        return nil
    }
}
