import CAllocationCounter
import KernelInterface
import Testing

@testable import Core

/// A steady-state step allocates nothing: neither may its parallel regions and matrix products.
@Suite(.enabled(if: allocation_count() >= 0, "allocations can be counted"))
struct AllocationTests {
    @Test func theCounterCounts() {
        let before = allocation_count()
        UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8).deallocate()
        UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 256).deallocate()
        #expect(allocation_count() - before == 2)
    }

    @Test func aRegionAllocatesNothing() throws {
        let pool = try WorkerPool(lanes: 2)
        let first = UnsafeMutablePointer<Int>.allocate(capacity: 2)
        let last = UnsafeMutablePointer<Int>.allocate(capacity: 2)
        first.initialize(repeating: -1, count: 2)
        last.initialize(repeating: -1, count: 2)
        defer {
            first.deallocate()
            last.deallocate()
        }
        var before = 0
        for round in 0..<2000 {
            // The first region may set up what is set up once.
            if round == 1 { before = allocation_count() }
            pool.run(4) { index, lane in
                last[lane] = allocation_count() + 0 * (index + round)
                if first[lane] < 0 { first[lane] = last[lane] }
            }
        }
        #expect(allocation_count() == before)
        #expect(last[1] == first[1])
    }

    @Test(arguments: ["bf16", "fp4", "nvfp4+sr", "mxfp4+hadamard=32", "fp8-2d"])
    func aProductAllocatesNothingOnceItHasItsMemory(format: String) throws {
        let formats = GEMMFormats(try BlockFormat(parsing: format))
        let context = try ComputeContext(threads: 2)
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: 3 * 150 * 150)
        memory.initialize(repeating: 0.5, count: 3 * 150 * 150)
        defer { memory.deallocate() }
        let a = MatrixView(memory, rows: 150, columns: 150)
        let b = MatrixView(memory + 150 * 150, rows: 150, columns: 150).transposed
        let multiply = {
            context.gemm(a, b, into: memory + 2 * 150 * 150, rowStride: 150, formats: formats)
        }
        multiply()
        let before = allocation_count()
        for _ in 0..<50 { multiply() }
        #expect(allocation_count() == before)
    }
}
