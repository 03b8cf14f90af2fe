import Testing

@testable import fp4tui

extension HelpTests {
    @Test func replay() {
        #expect(
            Self.help(ReplayCommand.self) == """
                OVERVIEW: Play a recorded run in the dashboard.

                The run is drawn as it was while it trained: charts, events, precision map and
                inspector are those of the position, which the title shows. Nothing is trained,
                and nothing can be steered; a run that is still going on is played as far as it
                was when the recording was read.

                p or Space plays and pauses, n and N go one step on and back, , and . a
                hundredth, < and > a tenth, ^ and $ to the ends, [ and ] change the speed, and
                q leaves. :seek 1200, :seek 50% and :speed 8 do the same by number, and ? lists
                all keys.

                EXAMPLES:
                  fp4tui replay baby
                  fp4tui replay runs/baby --speed 1 --at 90%
                  fp4tui replay nvfp4 --compare bf16

                USAGE: fp4tui replay <run> [--speed <x>] [--at <step>] [options]

                ARGUMENTS:
                  <run>                   The run: its folder, or its name in runs/.

                OPTIONS:
                  --speed <x>             How many times as fast as it was trained, or max.
                                          Without it, so fast that the whole takes a minute at
                                          most.
                  --at <step>             Begin after this step, or at this share of all steps,
                                          as in 50%.
                  --theme <name|file>     Colours: dark, deuteranopia, light, mono, terminal,
                                          tritanopia, one of your own in
                                          ~/.config/fp4tui/themes, or a base16 file.
                  --glyphs <set>          Characters to draw with; without it, what the
                                          terminal can show. (values: braille, ascii)
                  --ascii                 The same as --glyphs ascii.
                  --colors <count>        Colours to draw with, even with NO_COLOR; without it,
                                          what FP4TUI_COLORS says, or what TERM has. (values:
                                          16, 256, truecolor)
                  --mouse                 Use the mouse: click, wheel; Shift-drag then selects
                                          text.
                  --compare <run>         Draw the loss of a recorded run beneath: its folder,
                                          or its name in runs/. May be repeated.
                  --version               Show the version.
                  -h, --help              Show help information.

                """)
    }
}
