extension KeyTable {
    /// These come before the keys of the panel in focus, while a recording is played.
    static let replay: [KeyBinding] = [
        KeyBinding(
            .replay, ["p", " "], .togglePause, "Pause", "play or pause; at the end, play from the start", footer: 1),
        KeyBinding(.replay, ["n"], .step, "Step", "one step on, then pause", footer: 2),
        KeyBinding(.replay, ["N"], .stepBack, "Back", "one step back, then pause"),
        KeyBinding(.replay, [","], .seekBack, "-1%", "seek back by a hundredth of the steps"),
        KeyBinding(.replay, ["."], .seekForward, "+1%", "seek forward by a hundredth of the steps"),
        KeyBinding(.replay, ["<"], .seekFarBack, "-10%", "seek back by a tenth of the steps", footer: 3),
        KeyBinding(.replay, [">"], .seekFarForward, "+10%", "seek forward by a tenth of the steps", footer: 4),
        KeyBinding(.replay, ["["], .slower, "Slower", "half the speed", footer: 5),
        KeyBinding(.replay, ["]"], .faster, "Faster", "twice the speed; beyond a second for all: max", footer: 6),
        KeyBinding(.replay, ["^"], .seekToStart, "Start", "to the start"),
        KeyBinding(.replay, ["$"], .seekToEnd, "End", "to the end"),
        KeyBinding(.replay, ["@"], .seekToCrosshair, "To crosshair", "to the step of the crosshair"),
    ]

    /// What the engine is asked to do: without meaning for a recording.
    static let steering: Set<Action> = [
        .sample, .evaluate, .undo, .cyclePrecision, .openPicker, .applyPending, .inspect, .measureSensitivity,
    ]
}
