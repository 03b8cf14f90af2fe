import Foundation
import Testing

@testable import Core

@Suite struct PrecisionPhaseTests {
    @Test(arguments: [
        ("step 2000", PrecisionPhase.Start.step(2000), "step 2000"), (" step  0 ", .step(0), "step 0"),
        ("92.5%", .fraction(0.925), "92.5%"), ("0%", .fraction(0), "0%"), ("100%", .fraction(1), "100%"),
        ("33.333%", .fraction(0.33333), "33.333%"), ("0.001%", .fraction(0.00001), "0.001%"),
        ("1.5M tokens", .tokens(1_500_000), "1.5M tokens"), ("2k tokens", .tokens(2000), "2k tokens"),
        ("10B tokens", .tokens(10_000_000_000), "10B tokens"), ("1500 tokens", .tokens(1500), "1.5k tokens"),
        ("1234567 tokens", .tokens(1_234_567), "1234.567k tokens"), ("12 tokens", .tokens(12), "12 tokens"),
        ("0 tokens", .tokens(0), "0 tokens"),
    ])
    func pointsOfARun(text: String, start: PrecisionPhase.Start, description: String) throws {
        #expect(try PrecisionPhase.Start(parsing: text) == start)
        #expect(start.description == description)
        #expect(try PrecisionPhase.Start(parsing: description) == start)
    }

    @Test(arguments: [
        "", "step", "step -1", "step 1.5", "2000", "101%", "-1%", "1e1%", "%", "nan%", "1.2.3%", "M tokens",
        "0.5 tokens",
        "1.2345k tokens", "5 steps", "1G tokens", "99999999999B tokens", "50 %",
    ])
    func whatIsNoPointIsRefused(text: String) {
        #expect(
            throws: UserError("\"\(text)\" is no point of a run; expected step 2000, 92.5% or 1.5M tokens")
        ) { try PrecisionPhase.Start(parsing: text) }
    }

    @Test(arguments: 0..<200)
    func everyFractionIsReadBack(index: Int) throws {
        let random = Philox(seed: 1, stream: .sampling).uniform(0, UInt32(index))
        let start = PrecisionPhase.Start.fraction(index < 100 ? random : random * 1e-9)
        #expect(try PrecisionPhase.Start(parsing: start.description) == start)
    }

    @Test func aPhaseIsReadBack() throws {
        let text = "step 2000: layers.{0,-1}.mlp.* backward fp8; lm_head =nvfp4+sr"
        let phase = try PrecisionPhase(parsing: text)
        #expect(phase.start == .step(2000) && phase.assignments.count == 2)
        #expect(phase.description == text)
        #expect(try JSONDecoder().decode(PrecisionPhase.self, from: JSONEncoder().encode(phase)) == phase)
        #expect(String(decoding: try JSONEncoder().encode(phase), as: UTF8.self).hasPrefix("\"step 2000: "))
    }

    @Test(arguments: [
        (
            "mlp.* fp4",
            "\"mlp.* fp4\" is no phase; expected START: MODULES [GEMMS] PRECISION, as in 92.5%: layers.* bf16"
        ),
        ("5%: ", "\" \" sets no precision; expected MODULES [GEMMS] PRECISION, as in layers.*.mlp.* backward fp8"),
        (
            "5%: mlp.* fp4;",
            "\"\" sets no precision; expected MODULES [GEMMS] PRECISION, as in layers.*.mlp.* backward fp8"
        ),
        ("5: mlp.* fp4", "\"5\" is no point of a run; expected step 2000, 92.5% or 1.5M tokens"),
    ])
    func whatIsNoPhaseIsRefused(text: String, message: String) {
        #expect(throws: UserError(message)) { try PrecisionPhase(parsing: text) }
    }
}
