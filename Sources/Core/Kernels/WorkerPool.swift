import CProcessor
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Threads that share the pieces of a parallel region with the thread that asks for it.
///
/// A region costs well under a microsecond while the workers still spin; after about `spinMicroseconds` without work they
/// sleep, and waking them costs tens of microseconds. The pieces are claimed one by one, so a thread that the system takes
/// off its core delays only its own piece. A region allocates nothing.
public final class WorkerPool: Sendable {
    /// Threads that compute, the caller included.
    public let lanes: Int

    private let board: WorkBoard
    private let threads: [pthread_t]

    /// - Parameter lanes: at least 1.
    /// - Throws: `UserError` if the system grants fewer threads.
    public init(lanes: Int) throws {
        precondition(lanes >= 1)
        let board = WorkBoard(lanes: lanes)
        var threads: [pthread_t] = []
        for lane in 1..<max(lanes, 1) {
            guard let thread = startWorker(board, lane) else {
                board.stop()
                for thread in threads { pthread_join(thread, nil) }
                throw UserError("The system granted \(lane) of \(lanes) threads; set run.threads to fewer.")
            }
            threads.append(thread)
        }
        self.lanes = lanes
        self.board = board
        self.threads = threads
    }

    deinit {
        board.stop()
        for thread in threads { pthread_join(thread, nil) }
    }

    /// Calls the body once for every index in 0..<count, in no fixed order and from several threads, and returns when all
    /// are done. The caller is lane 0. Two calls that run at the same time never have the same lane: memory of one's own
    /// per lane needs no lock.
    ///
    /// One region at a time: the body must not call `run`, nor must two threads.
    public func run(_ count: Int, _ body: (_ index: Int, _ lane: Int) -> Void) {
        if lanes == 1 || count <= 1 {
            for index in 0..<max(count, 0) { body(index, 0) }
            return
        }
        precondition(count <= Int(Int32.max))
        let start = board.isCounting ? monotonicNanoseconds() : 0
        board.publish(count, BorrowedBody(body))
        board.work(lane: 0)
        board.waitForAll()
        if board.isCounting { board.regionNanoseconds += monotonicNanoseconds() - start }
    }

    /// Runs something that calls `run`, from the same thread, and measures what the lanes do meanwhile.
    /// - Returns: the share of the lanes' time in which they had no piece to work on; what the caller does between regions
    ///   counts as its work.
    public func idleShare<Failure>(of work: () throws(Failure) -> Void) throws(Failure) -> Double {
        let start = monotonicNanoseconds()
        board.startCounting()
        defer { board.isCounting = false }
        try work()
        let total = Double(monotonicNanoseconds() - start)
        let serial = total - Double(board.regionNanoseconds)
        let busy = (0..<lanes).reduce(serial) { $0 + Double(board.busyNanoseconds[$1 * WorkBoard.busyStride]) }
        return lanes == 1 ? 0 : max(0, 1 - busy / (Double(lanes) * total))
    }
}

private func startWorker(_ board: WorkBoard, _ lane: Int) -> pthread_t? {
    #if canImport(Darwin)
    var thread: pthread_t?
    #else
    var thread = pthread_t()
    #endif
    let start = Unmanaged.passRetained(WorkerStart(board: board, lane: lane))
    let result = pthread_create(&thread, nil, workerMain, start.toOpaque())
    if result != 0 {
        start.release()
        return nil
    }
    return thread
}

#if canImport(Darwin)
private func workerMain(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
    start.board.serve(lane: start.lane)
    return nil
}
#else
private func workerMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
    start.board.serve(lane: start.lane)
    return nil
}
#endif

private final class WorkerStart: Sendable {
    let board: WorkBoard
    let lane: Int

    init(board: WorkBoard, lane: Int) {
        self.board = board
        self.lane = lane
    }
}

/// A region's body that does not escape, as the two words that it is passed in.
///
/// Storing a closure would ask for one that escapes, and making it one (`withoutActuallyEscaping`) allocates on every call.
/// A closure that does not escape is a function and a context, both without reference counting, passed as two pointers;
/// here a function that takes such a closure is called as one that takes two pointers, and the other way round. The body
/// must outlive its last call, which `WorkerPool.run` waits for.
private struct BorrowedBody {
    private var function: UnsafeRawPointer
    private var context: UnsafeRawPointer?

    private init(function: UnsafeRawPointer, context: UnsafeRawPointer?) {
        self.function = function
        self.context = context
    }

    init(_ body: (Int, Int) -> Void) { self = BorrowedBody.fromClosure.call(body) }

    func callAsFunction(_ index: Int, _ lane: Int) { BorrowedBody.callPointers.call(function, context, index, lane) }

    // A function inside a struct keeps its own calling convention, which a generic parameter would change.
    private struct TakesClosure { var call: @Sendable ((Int, Int) -> Void) -> BorrowedBody }
    private struct TakesPointers { var call: @Sendable (UnsafeRawPointer, UnsafeRawPointer?) -> BorrowedBody }
    private struct CallsClosure { var call: @Sendable ((Int, Int) -> Void, Int, Int) -> Void }
    private struct CallsPointers { var call: @Sendable (UnsafeRawPointer, UnsafeRawPointer?, Int, Int) -> Void }

    private static let fromClosure = unsafeBitCast(
        TakesPointers { BorrowedBody(function: $0, context: $1) }, to: TakesClosure.self)
    private static let callPointers = unsafeBitCast(
        CallsClosure { body, index, lane in body(index, lane) }, to: CallsPointers.self)
}

/// What the threads of a pool share.
///
/// `ticket` holds the number of the region in its upper half and the unclaimed pieces in its lower: a piece is claimed by
/// counting down, and a claim that comes too late fails, since the region's number has changed. The body and the count are
/// written before the ticket that announces them, and are only read with a claimed piece in hand, before `unfinished`
/// counts it off: there is no race on them.
private final class WorkBoard: @unchecked Sendable {
    private let ticket = Atomic<UInt64>(0)
    private let unfinished = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private var count = 0
    private var body = BorrowedBody { _, _ in }
    /// Written between regions only, as the body is.
    var isCounting = false
    /// Of the lanes, while they work on pieces; a cache line each.
    let busyNanoseconds: UnsafeMutablePointer<UInt64>
    static let busyStride = 8
    /// From the start of a region to its end.
    var regionNanoseconds: UInt64 = 0
    private let lanes: Int
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let wake: UnsafeMutablePointer<pthread_cond_t>

    private static let spinNanoseconds: UInt64 = 200_000

    init(lanes: Int) {
        self.lanes = lanes
        busyNanoseconds = .allocate(capacity: lanes * Self.busyStride)
        busyNanoseconds.initialize(repeating: 0, count: lanes * Self.busyStride)
        mutex = .allocate(capacity: 1)
        wake = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        wake.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wake, nil)
    }

    deinit {
        pthread_cond_destroy(wake)
        pthread_mutex_destroy(mutex)
        wake.deallocate()
        mutex.deallocate()
        busyNanoseconds.deallocate()
    }

    func startCounting() {
        regionNanoseconds = 0
        busyNanoseconds.update(repeating: 0, count: lanes * Self.busyStride)
        isCounting = true
    }

    func publish(_ count: Int, _ body: BorrowedBody) {
        self.count = count
        self.body = body
        unfinished.store(count, ordering: .relaxed)
        let region = (ticket.load(ordering: .relaxed) >> 32 &+ 1) << 32
        ticket.store(region | UInt64(count), ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wakeAll() }
    }

    /// Claims pieces until none is left.
    func work(lane: Int) {
        var seen = ticket.load(ordering: .relaxed)
        while seen & 0xFFFF_FFFF != 0 {
            let (claimed, now) = ticket.weakCompareExchange(
                expected: seen, desired: seen - 1, successOrdering: .acquiring, failureOrdering: .relaxed)
            if claimed {
                let start = isCounting ? monotonicNanoseconds() : 0
                body(count - Int(seen & 0xFFFF_FFFF), lane)
                if isCounting { busyNanoseconds[lane * Self.busyStride] += monotonicNanoseconds() - start }
                unfinished.subtract(1, ordering: .releasing)
                seen = ticket.load(ordering: .relaxed)
            } else {
                seen = now
            }
        }
    }

    /// Waits for pieces that other threads still work on.
    func waitForAll() {
        var spins = 0
        while unfinished.load(ordering: .acquiring) != 0 {
            processor_spin_hint()
            spins += 1
            // With more threads than cores the worker may need this core.
            if spins & 1023 == 0 { sched_yield() }
        }
    }

    /// A worker's life: works, spins for a while, sleeps.
    func serve(lane: Int) {
        while true {
            work(lane: lane)
            if stopping.load(ordering: .acquiring) { return }
            if !spinForWork() { sleepForWork() }
        }
    }

    private var hasNews: Bool {
        ticket.load(ordering: .sequentiallyConsistent) & 0xFFFF_FFFF != 0 || stopping.load(ordering: .acquiring)
    }

    private func spinForWork() -> Bool {
        let start = monotonicNanoseconds()
        repeat {
            for _ in 0..<32 {
                if hasNews { return true }
                processor_spin_hint()
            }
        } while monotonicNanoseconds() - start < WorkBoard.spinNanoseconds
        return false
    }

    private func sleepForWork() {
        pthread_mutex_lock(mutex)
        // Either this thread sees the news, or the publisher sees a sleeper and waits for the lock to wake it.
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while !hasNews { pthread_cond_wait(wake, mutex) }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
    }

    private func wakeAll() {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(mutex)
    }

    func stop() {
        stopping.store(true, ordering: .sequentiallyConsistent)
        wakeAll()
    }
}

/// Nanoseconds of a clock that never goes back.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
}
