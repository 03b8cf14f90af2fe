import ArgumentParser
import Core
import Dashboard
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
            ("--ascii", ascii), ("--glyphs", glyphs != nil), ("--mouse", mouse), ("--theme", theme != nil),
            ("--compare", !compare.isEmpty),
        ]
        return flags.first(where: \.1)?.0
    }

    /// Reads the runs to be compared, which may take long.
    ///
    /// - Throws: `UserError` naming a run that cannot be read.
    func display() throws -> DisplayOptions {
        var display = DisplayOptions()
        if let theme { display.theme = theme }
        display.glyphs = ascii ? .ascii : glyphs
        display.isMouseOn = mouse
        display.comparisons = try ComparedRuns.read(compare)
        display.runs = ComparedRuns.names()
        display.readComparison = { try ComparedRuns.read($0) }
        return display
    }
}

extension GlyphSet: ExpressibleByArgument {}
