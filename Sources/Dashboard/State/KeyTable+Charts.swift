extension KeyTable {
    static let charts: [KeyBinding] = [
        KeyBinding(
            .charts, [.left, "h"], .panLeft, "Earlier", "earlier steps, or the crosshair to the left"),
        KeyBinding(
            .charts, [.right, "l"], .panRight, "Later",
            "later steps, or the crosshair to the right; at the newest step the view follows again"),
        KeyBinding(
            .charts, ["H"], .panFarLeft, "Far left", "a whole view earlier, or the crosshair a tenth to the left"),
        KeyBinding(
            .charts, ["L"], .panFarRight, "Far right", "a whole view later, or the crosshair a tenth to the right"),
        KeyBinding(.charts, [.home, "g"], .panToStart, "First", "to the first step"),
        KeyBinding(.charts, [.end, "G"], .panToEnd, "Newest", "to the newest step"),
        KeyBinding(
            .charts, ["i"], .toggleCrosshair, "Crosshair",
            "crosshair with the values of its step, and off; zooming keeps it in the middle", footer: 1),
        KeyBinding(.charts, [.escape], .hideCrosshair, "No crosshair", "crosshair off"),
        KeyBinding(.charts, ["x"], .nextAxis, "X axis", "x axis in steps, tokens or time", footer: 2),
        KeyBinding(
            .charts, ["o"], .toggleOutliers, "Outliers",
            "ignore outliers: the y axis holds what lies between the 1st and the 99th percentile"),
        KeyBinding(
            .charts, ["m"], .toggleModules, "Modules", "gradient norm of every module, or the curve", footer: 3),
        KeyBinding(.charts, [.up, "k"], .scrollUp, "Up", "scroll the list of modules up"),
        KeyBinding(.charts, [.down, "j"], .scrollDown, "Down", "scroll the list of modules down"),
        KeyBinding(.charts, [.pageUp], .pageUp, "Page up", "scroll the list of modules a page up"),
        KeyBinding(.charts, [.pageDown], .pageDown, "Page down", "scroll the list of modules a page down"),
        KeyBinding(.charts, ["Y"], .copy, "Copy", "copy the values of the crosshair's step, or of the newest"),
    ]
}
