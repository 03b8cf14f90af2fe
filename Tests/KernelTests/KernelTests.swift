import KernelInterface
import Testing

@testable import Core

/// A row of floats with room on both sides that must stay untouched.
final class GuardedRow {
    let count: Int
    private let memory: UnsafeMutablePointer<Float>
    private static let guardCount = 24
    private static let guardValue: Float = -12345.678

    init(_ values: [Float]) {
        count = values.count
        memory = .allocate(capacity: count + 2 * GuardedRow.guardCount)
        memory.initialize(repeating: GuardedRow.guardValue, count: count + 2 * GuardedRow.guardCount)
        for (i, value) in values.enumerated() { row[i] = value }
    }

    convenience init(zeros count: Int) { self.init([Float](repeating: 0, count: count)) }

    deinit { memory.deallocate() }

    var row: WriteRow { memory + GuardedRow.guardCount }
    var values: [Float] { (0..<count).map { row[$0] } }

    var guardsAreIntact: Bool {
        (0..<GuardedRow.guardCount).allSatisfy {
            memory[$0] == GuardedRow.guardValue && row[count + $0] == GuardedRow.guardValue
        }
    }
}

/// Numbers that are the same in every run.
struct TestNumbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    /// Uniform in −range..<range.
    mutating func row(_ count: Int, range: Float = 2) -> [Float] {
        (0..<count).map { _ in (Float(next() >> 40) / Float(1 << 23) - 1) * range }
    }
}

/// All NaN are one, everything else is compared bit by bit.
func bits(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern } }

let allKernels: [any KernelTable] = KernelTier.available.map(\.kernels)
let counts = Array(0...70) + [127, 128, 255, 1000]

/// Runs an operation on copies of the rows with every tier's kernels. All tiers must leave the same bits in all rows, return
/// the same bits and touch nothing else; the results of one of them come back.
func onEveryTier(
    _ rows: [[Float]], sourceLocation: SourceLocation = #_sourceLocation,
    _ operation: (any KernelTable, [WriteRow]) -> [Float]
) -> (rows: [[Float]], returned: [Float]) {
    var first: (rows: [[Float]], returned: [Float])?
    for kernels in allKernels {
        let guarded = rows.map { GuardedRow($0) }
        let returned = operation(kernels, guarded.map(\.row))
        let result = guarded.map(\.values)
        #expect(
            guarded.allSatisfy { $0.guardsAreIntact }, "\(kernels.tier) writes outside its rows",
            sourceLocation: sourceLocation)
        if let first {
            #expect(first.rows.map(bits) == result.map(bits), "\(kernels.tier)", sourceLocation: sourceLocation)
            #expect(bits(first.returned) == bits(returned), "\(kernels.tier)", sourceLocation: sourceLocation)
        } else {
            first = (result, returned)
        }
    }
    return first ?? ([], [])
}

/// Every value is within `relative` · |expected| + `absolute` of the expected one.
func expectClose(
    _ actual: [Float], _ expected: [Double], relative: Double = 1e-6, absolute: Double = 1e-6,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(actual.count == expected.count, sourceLocation: sourceLocation)
    for (i, (a, e)) in zip(actual, expected).enumerated() {
        let difference = abs(Double(a) - e)
        if !(difference <= relative * abs(e) + absolute) {
            Issue.record("[\(i)] of \(actual.count): \(a), expected \(e)", sourceLocation: sourceLocation)
            return
        }
    }
}
