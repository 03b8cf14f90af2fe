import ArgumentParser
import Core
import Dashboard
import Foundation
import Terminal

/// The flags of every command that opens the dashboard.
struct ScreenOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Colours: \(Theme.names.joined(separator: ", ")), one of your own in ~/.config/fp4tui/themes, or a base16 file.",
            valueName: "name|file"))
    var theme: String?

    @Option(
        help: ArgumentHelp(
            "Characters to draw with; without it, what the terminal can show.",
            valueName: "set"))
    var glyphs: GlyphSet?

    @Flag(help: "The same as --glyphs ascii.")
    var ascii = false

    @Option(
        help: ArgumentHelp(
            "Colours to draw with, even with NO_COLOR; without it, what FP4TUI_COLORS says, or what TERM has.",
            valueName: "count"))
    var colors: ColourCount?

    @Flag(help: "Use the mouse: click, wheel; Shift-drag then selects text.")
    var mouse = false

    @Option(
        help: ArgumentHelp(
            "Draw the loss of a recorded run beneath: its folder, or its name in runs/. May be repeated.",
            valueName: "run"))
    var compare: [String] = []

    mutating func validate() throws {
        if ascii && glyphs == .braille {
            throw ValidationError("--ascii is --glyphs ascii: leave out one of --ascii and --glyphs braille")
        }
    }

    /// A flag that was given, whichever it is.
    var given: String? {
        let flags = [
            ("--ascii", ascii), ("--glyphs", glyphs != nil), ("--colors", colors != nil), ("--mouse", mouse),
            ("--theme", theme != nil),
            ("--compare", !compare.isEmpty),
        ]
        return flags.first(where: \.1)?.0
    }

    /// Reads the runs to be compared, which may take long.
    ///
    /// - Throws: `UserError` naming a run that cannot be read, or a setting that cannot be understood.
    func display() throws -> DisplayOptions {
        var display = DisplayOptions()
        if let theme { display.theme = theme }
        display.glyphs = ascii ? .ascii : glyphs
        display.colours = try colors ?? Self.setting()
        display.overridesNoColour = colors != nil
        display.isMouseOn = mouse
        display.comparisons = try ComparedRuns.read(compare)
        display.runs = ComparedRuns.names()
        display.readComparison = { try ComparedRuns.read($0) }
        return display
    }

    /// The number of colours that FP4TUI_COLORS asks for; nil: none.
    private static func setting() throws(UserError) -> ColourCount? {
        guard let text = ProcessInfo.processInfo.environment["FP4TUI_COLORS"], !text.isEmpty else { return nil }
        if let count = ColourCount(rawValue: text) { return count }
        let expected = ColourCount.allCases.map(\.rawValue).joined(separator: ", ")
        throw UserError("the environment variable FP4TUI_COLORS is \"\(text)\"; expected \(expected)")
    }
}

extension ColourCount: ExpressibleByArgument {}

extension GlyphSet: ExpressibleByArgument {}
