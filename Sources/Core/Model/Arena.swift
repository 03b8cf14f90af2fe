#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// One block of memory, sized at start, that holds everything a step needs: nothing is allocated while training.
final class Arena {
    /// Hands out places in the arena. The same layout runs twice: once to add up, once with memory behind it.
    struct Layout {
        fileprivate var base: UnsafeMutableRawPointer?
        fileprivate(set) var bytes = 0

        /// A place for `count` values of a trivial type, at a cache line of its own, zero at start.
        ///
        /// While the sizes are only added up, the pointer must not be used.
        mutating func reserve<T: BitwiseCopyable>(_ count: Int, of type: T.Type = Float.self)
            -> UnsafeMutablePointer<T>
        {
            let offset = bytes
            bytes = (offset + max(1, count) * MemoryLayout<T>.stride + 63) & ~63
            let start = base ?? UnsafeMutableRawPointer(bitPattern: 64)!
            return (start + offset).assumingMemoryBound(to: T.self)
        }
    }

    let bytes: Int
    private let base: UnsafeMutableRawPointer

    private init(bytes: Int) throws {
        self.bytes = bytes
        // Anonymous memory is zero and costs nothing until it is touched.
        let memory = mmap(nil, max(bytes, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            throw UserError(
                "the model needs \(bytes >> 20) MiB of memory, which this machine does not give; "
                    + "lower training.batch, model.context, model.width or model.layers, or set training.recompute")
        }
        base = memory
        #if os(Linux)
        // Advice only: huge pages spare most of the misses of the address translation.
        _ = madvise(memory, bytes, MADV_HUGEPAGE)
        #endif
    }

    deinit {
        munmap(base, max(bytes, 1))
    }

    /// Memory for everything that `layout` reserves.
    ///
    /// - Throws: `UserError` if the machine does not give that much.
    static func make<Places>(_ layout: (inout Layout) -> Places) throws -> (arena: Arena, places: Places) {
        var counting = Layout()
        _ = layout(&counting)
        let arena = try Arena(bytes: counting.bytes)
        var placing = Layout(base: arena.base)
        return (arena, layout(&placing))
    }
}
