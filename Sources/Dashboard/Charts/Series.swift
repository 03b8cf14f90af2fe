/// What is known of the values of neighbouring steps. Non-finite values are counted and otherwise left out.
public struct Bucket: Sendable, Hashable {
    public private(set) var minimum = Float.infinity
    public private(set) var maximum = -Float.infinity
    private var sum: Float = 0
    /// Finite values.
    public private(set) var count: UInt32 = 0
    public private(set) var nonFinite: UInt32 = 0
    /// Finite values that a logarithmic axis can't show.
    public private(set) var nonPositive: UInt32 = 0

    public init() {}

    public var isEmpty: Bool { count == 0 && nonFinite == 0 }
    /// Mean of the finite values; meaningless if there are none.
    public var mean: Float { sum.isFinite ? sum / Float(count) : minimum / 2 + maximum / 2 }

    public mutating func add(_ value: Float) {
        guard value.isFinite else {
            nonFinite &+= 1
            return
        }
        minimum = Swift.min(minimum, value)
        maximum = Swift.max(maximum, value)
        sum += value
        count &+= 1
        if value <= 0 { nonPositive &+= 1 }
    }

    public mutating func merge(_ other: Bucket) {
        minimum = Swift.min(minimum, other.minimum)
        maximum = Swift.max(maximum, other.maximum)
        sum += other.sum
        count &+= other.count
        nonFinite &+= other.nonFinite
        nonPositive &+= other.nonPositive
    }
}

/// A quantity over the steps of a run, in bounded memory.
///
/// A pyramid of rings: level k has one bucket for every 2ᵏ steps and keeps the newest `capacity` of them; the top level
/// reaches back to the first step. Minimum and maximum are kept at every level, so that a spike of one step stays
/// visible at every zoom. Memory grows with the logarithm of the number of steps.
public struct Series: Sendable {
    private struct Level: Sendable {
        /// Index of the oldest bucket kept: the steps from `first << shift`.
        var first: Int
        var buckets: [Bucket] = []
        /// Where the oldest bucket is once the ring is full.
        var start = 0

        var end: Int { first + buckets.count }

        subscript(index: Int) -> Bucket {
            get { buckets[position(index)] }
            set { buckets[position(index)] = newValue }
        }

        private func position(_ index: Int) -> Int {
            let offset = start + (index - first)
            return offset < buckets.count ? offset : offset - buckets.count
        }

        mutating func extend(to index: Int, capacity: Int) {
            if index - end >= capacity {
                first = index - capacity + 1
                start = 0
                buckets = Array(repeating: Bucket(), count: capacity)
                return
            }
            while end <= index {
                if buckets.count < capacity {
                    buckets.append(Bucket())
                } else {
                    buckets[start] = Bucket()
                    start = start + 1 == capacity ? 0 : start + 1
                    first += 1
                }
            }
        }
    }

    private var levels: [Level] = []
    private let capacity: Int
    public private(set) var firstStep: Int?
    public private(set) var lastStep: Int?
    /// The newest value, finite or not.
    public private(set) var last: Float?
    /// All non-finite values so far.
    public private(set) var nonFinite = 0

    /// - Parameter capacity: buckets kept per level; a view of the newest steps has at least half as many.
    public init(capacity: Int = 4096) {
        self.capacity = max(2, capacity)
    }

    /// Buckets held now, in all levels.
    public var bucketCount: Int { levels.reduce(0) { $0 + $1.buckets.count } }

    /// No run has more steps; larger numbers come from a damaged recording.
    public static let largestStep = 1 << 53

    /// Adds a value. Steps must grow: a step that is negative, not newer than the last or beyond `largestStep` is left
    /// out.
    public mutating func append(step: Int, value: Float) {
        guard step > lastStep ?? -1, step <= Series.largestStep else { return }
        if levels.isEmpty {
            levels = [Level(first: step)]
            firstStep = step
        }
        while (step >> (levels.count - 1)) - levels[levels.count - 1].first >= capacity { addLevel() }
        for level in levels.indices {
            let index = step >> level
            levels[level].extend(to: index, capacity: capacity)
            levels[level][index].add(value)
        }
        lastStep = step
        last = value
        if !value.isFinite { nonFinite += 1 }
    }

    /// The top level is about to forget its oldest bucket: one twice as coarse is put on top.
    private mutating func addLevel() {
        let below = levels[levels.count - 1]
        var level = Level(first: below.first >> 1)
        for index in below.first..<below.end {
            level.extend(to: index >> 1, capacity: capacity)
            level[index >> 1].merge(below[index])
        }
        levels.append(level)
    }

    /// What is known of a step, and of which steps that is: coarse for steps long ago. nil if nothing was recorded there.
    func value(at step: Int) -> (bucket: Bucket, steps: ClosedRange<Int>)? {
        guard let firstStep, let lastStep, firstStep...lastStep ~= step,
            let shift = levels.indices.first(where: { levels[$0].first <= step >> $0 && step >> $0 < levels[$0].end })
        else { return nil }
        let bucket = levels[shift][step >> shift]
        return bucket.isEmpty ? nil : (bucket, covered(step >> shift, shift))
    }

    /// The newest that was recorded up to a step.
    func latest(upTo step: Int) -> (bucket: Bucket, steps: ClosedRange<Int>)? {
        for shift in levels.indices {
            let level = levels[shift]
            var index = min(step >> shift, level.end - 1)
            while index >= level.first {
                if !level[index].isEmpty { return (level[index], covered(index, shift)) }
                index -= 1
            }
        }
        return nil
    }

    /// The steps of a bucket.
    private func covered(_ index: Int, _ shift: Int) -> ClosedRange<Int> {
        let first = index << shift
        return max(first, firstStep ?? first)...min(first + (1 << shift) - 1, max(lastStep ?? first, first))
    }

    /// The values of the steps in `range`, merged into equally wide columns of a chart: step `range.lowerBound` lies in
    /// the first column, `range.upperBound` in the last.
    public func columns(_ range: ClosedRange<Int>, count: Int) -> [Bucket] {
        var result = Array(repeating: Bucket(), count: max(0, count))
        guard count > 0, let firstStep, let lastStep, range.lowerBound <= lastStep, range.upperBound >= firstStep
        else { return result }
        let from = max(range.lowerBound, firstStep)
        let to = min(range.upperBound, lastStep)
        let shift = levels.indices.first { levels[$0].first << $0 <= from } ?? levels.count - 1
        let level = levels[shift]
        let scale = Double(count - 1) / Double(max(1, range.upperBound - range.lowerBound))
        for index in max(from >> shift, level.first)...max(to >> shift, level.first) {
            let bucket = level[index]
            guard !bucket.isEmpty else { continue }
            let low = max(index << shift, from)
            let high = min((index << shift) + (1 << shift) - 1, to)
            let middle = Double(low - range.lowerBound) + Double(high - low) / 2
            result[min(count - 1, max(0, Int((middle * scale).rounded())))].merge(bucket)
        }
        return result
    }
}
