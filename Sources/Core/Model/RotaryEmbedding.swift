import KernelInterface

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Rotary position embedding (Su et al., arXiv 2104.09864) of queries and keys, in the half-split order of Hugging
/// Face's LLaMA: channel `i` turns together with channel `i + headWidth/2`.
struct RotaryEmbedding {
    private let half: Int
    private let heads: Int
    private let stride: Int
    private let cosines: UnsafeMutablePointer<Float>
    private let sines: UnsafeMutablePointer<Float>
    private let context: Int

    init(_ model: ModelConfiguration, in arena: inout Arena.Layout) {
        half = model.headWidth / 2
        heads = model.heads + model.keyValueHeads
        stride = model.width + 2 * model.keyValueWidth
        context = model.context
        cosines = arena.reserve(context * half)
        sines = arena.reserve(context * half)
    }

    /// Fills the tables; once, when the arena has memory.
    func prepare(theta: Double) {
        for position in 0..<context {
            for i in 0..<half {
                let angle = Double(position) * pow(theta, -Double(i) / Double(half))
                cosines[position * half + i] = Float(cos(angle))
                sines[position * half + i] = Float(sin(angle))
            }
        }
    }

    /// Turns the queries and keys of one row of the q|k|v buffer.
    @inline(__always)
    func rotate(_ row: UnsafeMutablePointer<Float>, position: Int, _ kernels: any KernelTable) {
        for head in 0..<heads {
            kernels.rope(
                row + head * 2 * half, cos: cosines + position * half, sin: sines + position * half, half: half)
        }
    }

    /// Turns back: the gradient of `rotate`.
    @inline(__always)
    func rotateBack(_ row: UnsafeMutablePointer<Float>, position: Int, _ kernels: any KernelTable) {
        for head in 0..<heads {
            kernels.ropeInverse(
                row + head * 2 * half, cos: cosines + position * half, sin: sines + position * half, half: half)
        }
    }
}
