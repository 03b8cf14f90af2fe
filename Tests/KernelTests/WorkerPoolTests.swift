import KernelInterface
import Synchronization
import Testing

@testable import Core

@Suite struct WorkerPoolTests {
    @Test(arguments: [1, 2, 3, 4])
    func everyIndexExactlyOnce(lanes: Int) throws {
        let pool = try WorkerPool(lanes: lanes)
        for count in [0, 1, 2, 3, 7, 64, 1000] {
            let calls = UnsafeMutablePointer<Int>.allocate(capacity: count + 1)
            calls.initialize(repeating: 0, count: count + 1)
            defer { calls.deallocate() }
            pool.run(count) { index, _ in calls[index] += 1 }
            #expect((0..<count).allSatisfy { calls[$0] == 1 } && calls[count] == 0)
        }
    }

    /// Two calls with the same lane never overlap.
    @Test func lanesAreExclusive() throws {
        let pool = try WorkerPool(lanes: 4)
        let busy = UnsafeMutablePointer<Int>.allocate(capacity: 4)
        busy.initialize(repeating: 0, count: 4)
        defer { busy.deallocate() }
        let overlaps = Atomic<Int>(0)
        let outside = Atomic<Int>(0)
        pool.run(2000) { index, lane in
            guard (0..<4).contains(lane) else {
                outside.add(1, ordering: .relaxed)
                return
            }
            if busy[lane] != 0 { overlaps.add(1, ordering: .relaxed) }
            busy[lane] = index + 1
            for _ in 0..<20 { _ = monotonicNanoseconds() }
            if busy[lane] != index + 1 { overlaps.add(1, ordering: .relaxed) }
            busy[lane] = 0
        }
        #expect(overlaps.load(ordering: .relaxed) == 0 && outside.load(ordering: .relaxed) == 0)
    }

    /// What one region writes the next one sees, through many quick regions.
    @Test(arguments: [2, 4])
    func quickRegionsFollowOneAnother(lanes: Int) throws {
        let pool = try WorkerPool(lanes: lanes)
        let values = UnsafeMutablePointer<Int>.allocate(capacity: 5)
        values.initialize(repeating: 0, count: 5)
        defer { values.deallocate() }
        for round in 0..<3000 {
            pool.run(2 + round % 4) { index, _ in values[index] += round }
        }
        let expected = (0..<5).map { index in (0..<3000).filter { 2 + $0 % 4 > index }.reduce(0, +) }
        #expect((0..<5).map { values[$0] } == expected)
    }

    /// Workers that have gone to sleep come back.
    @Test func sleepersWake() throws {
        let pool = try WorkerPool(lanes: 2)
        let lanes = Mutex(Set<Int>())
        for _ in 0..<5 {
            let start = monotonicNanoseconds()
            while monotonicNanoseconds() - start < 2_000_000 {}
            pool.run(8) { _, lane in
                let start = monotonicNanoseconds()
                while monotonicNanoseconds() - start < 1_000_000 {}
                _ = lanes.withLock { $0.insert(lane) }
            }
        }
        #expect(lanes.withLock { $0 } == [0, 1])
    }

    @Test func poolsComeAndGo() throws {
        for round in 0..<50 {
            let pool = try WorkerPool(lanes: 1 + round % 4)
            let total = Atomic<Int>(0)
            pool.run(round) { index, _ in total.add(index, ordering: .relaxed) }
            #expect(total.load(ordering: .relaxed) == round * (round - 1) / 2)
        }
    }
}

@Suite struct KernelSelectionTests {
    @Test func portableIsAlwaysThere() throws {
        #expect(KernelTier.available.first == .portable)
        try #expect(ComputeContext(tier: .portable, threads: 1).kernels.tier == .portable)
        let chosen = try ComputeContext(threads: 1).tier
        // AVX-512 BF16 is left out where it is slow.
        #expect(chosen == KernelTier.available.last || KernelTier.available.suffix(2) == [chosen, .avx512bf16])
    }

    @Test func namesOfTiers() throws {
        let automatic = try KernelTier.named("auto")
        #expect(automatic == nil)
        try #expect(KernelTier.named("avx2") == .avx2)
        #expect(throws: UserError.self) { try KernelTier.named("sse") }
    }

    @Test func missingTierIsAUserError() throws {
        for tier in KernelTier.allCases where !KernelTier.available.contains(tier) {
            #expect(throws: UserError.self) { try ComputeContext(tier: tier, threads: 1) }
        }
        #expect(throws: UserError.self) { try ComputeContext(threads: -1) }
    }

    /// While the caller works alone the others idle; while all have a piece none does, unless the machine holds one of them
    /// up, which it won't every time.
    @Test(arguments: [1, 2, 3])
    func idleTimeIsCounted(lanes: Int) throws {
        let pool = try WorkerPool(lanes: lanes)
        func work(_ nanoseconds: UInt64) {
            let start = monotonicNanoseconds()
            while monotonicNanoseconds() - start < nanoseconds {}
        }
        let alone = 1 - 1 / Double(lanes)
        #expect(abs(pool.idleShare { work(3_000_000) } - alone) < 1e-9)
        #expect(abs(pool.idleShare { pool.run(1) { _, _ in work(3_000_000) } } - alone) < 1e-9)
        var least = 1.0
        for _ in 0..<100 where lanes == 1 || least >= alone {
            let begun = Atomic<Int>(0)
            let shared = pool.idleShare {
                pool.run(lanes) { _, _ in
                    begun.add(1, ordering: .relaxed)
                    while begun.load(ordering: .relaxed) < lanes {}
                    work(3_000_000)
                }
            }
            #expect(lanes == 1 ? shared == 0 : shared >= 0)
            least = min(least, shared)
        }
        #expect(least < alone || lanes == 1)
    }
}
