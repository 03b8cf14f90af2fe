import Core
import Foundation

/// Turns a run's events into the records of a TensorBoard event file: `Event` messages of TensorFlow's event.proto and
/// summary.proto, each in the frame of a TFRecord.
public struct TensorBoardEvents: Sendable {
    private var history = PrecisionHistory()
    private var tokensPerStep: Int?
    /// Of the event before, seconds since 1970.
    private var time: Double
    private let began: Double
    /// Steps completed.
    private var step = 0

    /// - Parameter began: when the run began, seconds since 1970: for events that do not tell when they happened.
    public init(began: Double) {
        time = began
        self.began = began
    }

    /// The record that every file begins with.
    ///
    /// - Parameters:
    ///   - time: seconds since 1970.
    ///   - resumedAfter: the steps that a resumed run had completed: readers forget what other files of the folder tell of
    ///     later ones.
    public static func header(time: Double, resumedAfter: Int? = nil) -> Data {
        var version = ProtocolBuffer()
        version.add(Field.wallTime, time)
        version.add(Field.fileVersion, "brain.Event:2")
        guard let resumedAfter else { return record(version) }
        var start = ProtocolBuffer()
        start.add(1, 1)
        var session = ProtocolBuffer()
        session.add(Field.wallTime, time)
        session.add(Field.step, resumedAfter &+ 1)
        session.add(Field.sessionLog, start)
        return record(version) + record(session)
    }

    /// The records for one event; none for events that have no place in TensorBoard.
    public mutating func records(for line: EventLine) -> Data {
        if let time = line.time, time.isFinite {
            self.time = time
        } else if case .stepped(let metrics) = line.event, metrics.elapsedSeconds.isFinite {
            time = max(time, began + metrics.elapsedSeconds)
        }
        let segment = history.take(line.event)
        var summary = Summary()
        switch line.event {
        case .started(let run):
            tokensPerStep = run.tokensPerStep
            summary.text("run", RunText.table(RunText.description(run)))
        case .stepped(let metrics):
            step = metrics.step
            add(metrics, to: &summary)
        case .evaluated(let evaluation):
            step = evaluation.step
            summary.scalar("val/loss", evaluation.validationLoss)
        case .sampled(let sample):
            step = sample.step
            summary.text("sample", RunText.codeBlock(sample.prompt + sample.text))
        case .quantized(let report):
            step = report.step
            add(report, to: &summary)
        case .precisionChanged(let change):
            step = change.step
            summary.text("prec/changes", RunText.escaped(change.summary))
        case .forkStepped(let step, let loss):
            self.step = step
            summary.scalar("fork/loss", loss)
        case .probed(let report):
            step = report.step
            if let error = report.gradientError { summary.scalar("train/grad_error", Float(error)) }
        case .stateChanged, .learningRateChanged, .gradientClipChanged, .moduleClippingChanged, .precisionEffect,
            .gradientsClipped, .inspected, .sensitivityProgress, .sensitivityMeasured, .scheduleChanged, .forkChanged,
            .saved, .checkpointed, .commanded, .working, .warning, .diverged,
            .finished:
            break
        }
        if let segment { add(segment, to: &summary) }
        guard !summary.message.bytes.isEmpty else { return Data() }
        var event = ProtocolBuffer()
        event.add(Field.wallTime, time)
        event.add(Field.step, step)
        event.add(Field.summary, summary.message)
        return Self.record(event)
    }

    private func add(_ metrics: StepMetrics, to summary: inout Summary) {
        summary.scalar("train/loss", metrics.loss)
        summary.scalar("train/grad_norm", metrics.gradientNorm)
        summary.scalar("train/clipped_norm", metrics.clippedNorm)
        summary.scalar("train/learning_rate", Float(metrics.learningRate))
        summary.scalar("perf/step_ms", Float(metrics.stepMilliseconds))
        if let rate = metrics.tokensPerSecond(tokensPerStep) { summary.scalar("perf/tokens_per_s", Float(rate)) }
        guard let timing = metrics.timing else { return }
        summary.scalar("perf/forward_ms", Float(timing.forward))
        summary.scalar("perf/backward_ms", Float(timing.backward))
        summary.scalar("perf/optimizer_ms", Float(timing.optimizer))
        summary.scalar("perf/quantize_ms", Float(timing.quantize))
    }

    /// Of every module the largest of its operands' figures.
    private func add(_ report: HealthReport, to summary: inout Summary) {
        var modules: [ModulePath] = []
        var operands: [ModulePath: [QuantizationHealth]] = [:]
        for gemm in report.gemms {
            if operands[gemm.module] == nil { modules.append(gemm.module) }
            operands[gemm.module, default: []] += [gemm.a, gemm.b].compactMap { $0 }
        }
        for module in modules {
            let found = operands[module] ?? []
            func largest(_ name: String, _ value: (QuantizationHealth) -> Double?) {
                guard let value = found.compactMap(value).max() else { return }
                summary.scalar("prec/\(module)/\(name)", Float(value))
            }
            largest("amax") { Double($0.amax) }
            largest("saturated") { $0.saturation }
            largest("underflow") { $0.underflow }
            largest("error") { $0.relMSE }
        }
        for module in report.modules {
            if let norm = module.gradientNorm { summary.scalar("prec/\(module.path)/grad_norm", Float(norm)) }
        }
    }

    /// Bits of every linear, the mean of its three GEMMs, and what that comes to.
    private func add(_ segment: PrecisionHistory.Segment, to summary: inout Summary) {
        for path in history.modules {
            let formats = segment.plan[path]
            let bits = GEMMKind.allCases.reduce(0) { $0 + formats[$1].widest.bits }
            summary.scalar("prec/\(path)/format", Float(bits) / Float(GEMMKind.allCases.count))
        }
        summary.scalar("prec/share_fp4", Float(segment.shares.fp4))
        summary.scalar("prec/share_fp8", Float(segment.shares.fp8))
        summary.scalar("prec/share_bf16", Float(segment.shares.bf16))
        summary.scalar("prec/cost", Float(segment.cost))
    }

    /// Of `Event`.
    private enum Field {
        static let (wallTime, step, fileVersion, summary, sessionLog) = (1, 2, 3, 5, 7)
    }

    private struct Summary {
        var message = ProtocolBuffer()

        mutating func scalar(_ tag: String, _ value: Float) {
            var entry = ProtocolBuffer()
            entry.add(1, tag)
            entry.add(2, value)
            message.add(1, entry)
        }

        /// Markdown for the text dashboard: a tensor of one string.
        mutating func text(_ tag: String, _ markdown: String) {
            let stringType = 7
            var plugin = ProtocolBuffer()
            plugin.add(1, "text")
            var metadata = ProtocolBuffer()
            metadata.add(1, plugin)
            var dimension = ProtocolBuffer()
            dimension.add(1, 1)
            var shape = ProtocolBuffer()
            shape.add(2, dimension)
            var tensor = ProtocolBuffer()
            tensor.add(1, stringType)
            tensor.add(2, shape)
            tensor.add(8, markdown)
            var entry = ProtocolBuffer()
            entry.add(1, tag)
            entry.add(8, tensor)
            entry.add(9, metadata)
            message.add(1, entry)
        }
    }

    /// Length, its check, the bytes, their check.
    private static func record(_ message: ProtocolBuffer) -> Data {
        var data = Data(capacity: message.bytes.count + 16)
        func check(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
            var crc = CRC32C()
            crc.update(bytes)
            // Masked, so that records within records do not confuse readers.
            return (crc.value >> 15 | crc.value << 17) &+ 0xA282_EAD8
        }
        withUnsafeBytes(of: UInt64(message.bytes.count).littleEndian) { length in
            data.append(contentsOf: length)
            withUnsafeBytes(of: check(length).littleEndian) { data.append(contentsOf: $0) }
        }
        data.append(contentsOf: message.bytes)
        message.bytes.withUnsafeBytes { bytes in
            withUnsafeBytes(of: check(bytes).littleEndian) { data.append(contentsOf: $0) }
        }
        return data
    }
}

extension StepMetrics {
    /// nil where it isn't known.
    func tokensPerSecond(_ tokensPerStep: Int?) -> Double? {
        guard let tokensPerStep, stepMilliseconds > 0, stepMilliseconds.isFinite else { return nil }
        return Double(tokensPerStep) * 1000 / stepMilliseconds
    }
}
