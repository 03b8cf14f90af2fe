import KernelInterface

/// What is written down about linears while they compute, since the gradients were cleared.
struct LinearRecords {
    /// Three GEMMs for each linear.
    let health: UnsafeMutablePointer<GEMMHealth>
    /// Seconds of the linear's GEMMs, quantization included: forward and backward.
    let seconds: UnsafeMutablePointer<Double>

    /// To be deallocated by the caller.
    static func allocate(linears: Int) -> LinearRecords {
        let records = LinearRecords(health: .allocate(capacity: 3 * linears), seconds: .allocate(capacity: 2 * linears))
        records.health.initialize(repeating: GEMMHealth(), count: 3 * linears)
        records.seconds.initialize(repeating: 0, count: 2 * linears)
        return records
    }

    func deallocate() {
        health.deallocate()
        seconds.deallocate()
    }

    func clear(linears: Int) {
        health.update(repeating: GEMMHealth(), count: 3 * linears)
        seconds.update(repeating: 0, count: 2 * linears)
    }

    /// The records of the linears from one on.
    func from(_ linear: Int) -> LinearRecords {
        LinearRecords(health: health + 3 * linear, seconds: seconds + 2 * linear)
    }
}
