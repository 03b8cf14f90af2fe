import Foundation

/// Runs an actor's jobs on one thread of its own, in order, so that a long training step blocks neither the cooperative
/// pool nor the screen.
final class ThreadExecutor: SerialExecutor, @unchecked Sendable {
    /// What the thread and its owner share; the thread keeps it alive until it ends.
    private final class Queue: @unchecked Sendable {
        let condition = NSCondition()
        var jobs: [UnownedJob] = []
        var isClosed = false
        var thread: Thread?

        /// The next jobs; nil when the executor is gone and nothing is left to do.
        func next() -> [UnownedJob]? {
            condition.lock()
            defer { condition.unlock() }
            while jobs.isEmpty {
                if isClosed { return nil }
                condition.wait()
            }
            defer { jobs.removeAll(keepingCapacity: true) }
            return jobs
        }
    }

    private let queue = Queue()

    init(name: String) {
        let queue = queue
        let thread = Thread { [unowned self] in
            while let jobs = queue.next() {
                for job in jobs { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
            }
        }
        thread.name = name
        thread.stackSize = 8 << 20
        queue.thread = thread
        thread.start()
    }

    deinit {
        queue.condition.lock()
        queue.isClosed = true
        queue.condition.signal()
        queue.condition.unlock()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        queue.condition.lock()
        queue.jobs.append(UnownedJob(job))
        queue.condition.signal()
        queue.condition.unlock()
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    func isIsolatingCurrentContext() -> Bool? {
        Thread.current === queue.thread
    }

    func checkIsolated() {
        precondition(Thread.current === queue.thread, "not on the engine's thread")
    }
}
