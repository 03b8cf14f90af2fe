import Testing

@testable import Core

@Suite struct EventChannelTests {
    private func step(_ number: Int) -> TrainingEvent {
        .stepped(
            StepMetrics(
                step: number, loss: 1, gradientNorm: 1, clippedNorm: 1, learningRate: 1, tokens: number,
                stepMilliseconds: 1, elapsedSeconds: 1))
    }

    /// A reader that does not read misses old steps, counted, and nothing else.
    @Test func onlyStepsAreDropped() {
        let channel = EventChannel(capacity: 40)
        var sent: [TrainingEvent] = []
        for number in 1...100 {
            sent.append(step(number))
            if number.isMultiple(of: 7) {
                sent.append(.evaluated(Evaluation(step: number, validationLoss: Float(number))))
            }
        }
        for event in sent { channel.send(event) }
        let received = channel.drain()
        func isStep(_ event: TrainingEvent) -> Bool { if case .stepped = event { true } else { false } }
        #expect(received.filter { !isStep($0) } == sent.filter { !isStep($0) })
        #expect(received.count + channel.droppedSteps == sent.count)
        #expect(channel.droppedSteps > 0)
        // What is left is in order, and the newest step is there.
        let places = received.compactMap { sent.firstIndex(of: $0) }
        #expect(places == places.sorted())
        #expect(received.last(where: isStep) == step(100))
        #expect(channel.drain().isEmpty)
    }
}
