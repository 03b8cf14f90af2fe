import Core
import Foundation

/// The line of a step: by far the most lines of a recording are such. The names are those in the file, since turning the
/// keys of every line into names takes more time than reading it.
private struct SteppedLine: Decodable {
    var metrics: StepMetrics
    var time: Double?

    private enum Key: String, CodingKey {
        case event, step, loss, tokens, timing, time
        case gradientNorm = "gradient_norm"
        case clippedNorm = "clipped_norm"
        case learningRate = "learning_rate"
        case stepMilliseconds = "step_milliseconds"
        case elapsedSeconds = "elapsed_seconds"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        guard try container.decode(String.self, forKey: .event) == "stepped" else {
            throw DecodingError.dataCorruptedError(forKey: .event, in: container, debugDescription: "not a step")
        }
        time = try container.decodeIfPresent(Double.self, forKey: .time)
        metrics = StepMetrics(
            step: try container.decode(Int.self, forKey: .step), loss: try container.decode(Float.self, forKey: .loss),
            gradientNorm: try container.decode(Float.self, forKey: .gradientNorm),
            clippedNorm: try container.decode(Float.self, forKey: .clippedNorm),
            learningRate: try container.decode(Double.self, forKey: .learningRate),
            tokens: try container.decode(Int.self, forKey: .tokens),
            stepMilliseconds: try container.decode(Double.self, forKey: .stepMilliseconds),
            elapsedSeconds: try container.decode(Double.self, forKey: .elapsedSeconds),
            timing: try container.decodeIfPresent(StepTiming.self, forKey: .timing))
    }
}

/// Reads lines, one after the other: as `LineCoding.value`, and quicker.
struct LineDecoder {
    private let general = LineCoding.decoder(keys: .convertFromSnakeCase)
    private let plain = LineCoding.decoder(keys: .useDefaultKeys)

    /// - Throws: `DecodingError` for anything that is not such a value.
    func value<Value: Decodable>(_ type: Value.Type, from line: Data) throws -> Value {
        if type == EventLine.self, line.holds("\"event\":\"stepped\""),
            let step = try? plain.decode(SteppedLine.self, from: line),
            let value = EventLine(.stepped(step.metrics), time: step.time) as? Value
        {
            return value
        }
        return try general.decode(type, from: line)
    }
}
