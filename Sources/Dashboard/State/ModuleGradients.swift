import Core

/// Who makes up the gradient: the newest norm of every linear, and what clipping took from it.
public struct ModuleGradients: Sendable {
    public struct Row: Sendable, Hashable {
        public var path: ModulePath
        /// ‖dL/dW‖ before clipping.
        public var norm: Double
        /// Of the squared norm of all parameters; nil if that isn't finite.
        public var share: Double?
        /// What was last clipped in front of the quantizer: the share of the values, and the step.
        public var clipped: Clip?
    }

    public struct Clip: Sendable, Hashable {
        public var fraction: Double
        public var step: Int
    }

    public private(set) var step: Int?
    /// The largest first; what isn't finite before all others.
    public private(set) var rows: [Row] = []
    /// Of the squared norm: embedding, norms and biases.
    public private(set) var otherShare: Double?
    private var clipped: [ModulePath: Clip] = [:]

    /// - Parameter total: the norm over all parameters in the same step; nil if it isn't known.
    mutating func take(_ report: HealthReport, total: Double?) {
        let modules = report.modules.compactMap { module in module.gradientNorm.map { (module.path, $0) } }
        guard !modules.isEmpty else { return }
        step = report.step
        let sum = modules.reduce(0) { $0 + $1.1 * $1.1 }
        let whole = total.map { max($0 * $0, sum) } ?? sum
        let hasShares = whole.isFinite && whole > 0
        rows = modules.map { path, norm in
            Row(path: path, norm: norm, share: hasShares ? norm * norm / whole : nil, clipped: clipped[path])
        }
        .sorted { a, b in
            guard a.norm.isFinite, b.norm.isFinite else { return !a.norm.isFinite && b.norm.isFinite }
            return a.norm > b.norm
        }
        otherShare = hasShares && total != nil ? (whole - sum) / whole : nil
    }

    mutating func take(_ modules: [ClippedGradient], step: Int) {
        for module in modules { clipped[module.module] = Clip(fraction: module.fraction, step: step) }
        for index in rows.indices { rows[index].clipped = clipped[rows[index].path] }
    }
}
