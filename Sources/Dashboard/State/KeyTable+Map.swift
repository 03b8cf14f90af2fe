extension KeyTable {
    static let map: [KeyBinding] = [
        KeyBinding(.map, [" "], .cyclePrecision, "Precision", "cycle what is selected: FP4, FP8, BF16", footer: 1),
        KeyBinding(.map, [.enter], .openPicker, "GEMMs", "set the precision of each GEMM", footer: 2),
        KeyBinding(.map, ["a"], .applyPending, "Apply", "send the pending changes now", footer: 3),
        KeyBinding(.map, ["m"], .nextMapView, "View", "next view: \(MapView.explanation)", footer: 4),
        KeyBinding(.map, ["M"], .previousMapView, "Back", "previous view"),
        KeyBinding(.map, ["v"], .selectRange, "Range", "begin a range at the cursor, or end it there", footer: 5),
        KeyBinding(.map, ["*"], .selectRow, "Row", "select the same module in all layers"),
        KeyBinding(.map, ["c"], .selectColumn, "Layer", "select the whole layer"),
        KeyBinding(.map, ["A"], .selectAll, "All", "select all modules"),
        KeyBinding(.map, ["/"], .selectPattern, "Select", "select modules by a pattern such as mlp.*", footer: 6),
        KeyBinding(.map, [.escape], .clearSelection, "Clear", "clear the selection; from the inspector to the map"),
        KeyBinding(.map, ["i"], .inspect, "Inspect", "count the codes of the module's operands now", footer: 7),
        KeyBinding(
            .map, ["S"], .measureSensitivity, "Sensitivity",
            "measure what FP4 and FP8 do in each module alone, on a copy of the model while training goes on; again: cancel"
        ),
        KeyBinding(.map, [.up, "k"], .moveUp, "Up", "cursor up"),
        KeyBinding(.map, [.down, "j"], .moveDown, "Down", "cursor down"),
        KeyBinding(.map, [.left, "h"], .moveLeft, "Left", "cursor to the layer before"),
        KeyBinding(.map, [.right, "l"], .moveRight, "Right", "cursor to the next layer"),
        KeyBinding(.map, [.home], .moveToFirstLayer, "First", "cursor to the first layer"),
        KeyBinding(.map, [.end], .moveToLastLayer, "Last", "cursor to the last layer"),
        KeyBinding(.map, ["g"], .moveToTop, "Top", "cursor to the first row"),
        KeyBinding(.map, ["G"], .moveToBottom, "Bottom", "cursor to the last row"),
        KeyBinding(.map, [.pageUp], .pageUp, "Page", "cursor eight layers back; in the inspector a page up"),
        KeyBinding(.map, [.pageDown], .pageDown, "Page", "cursor eight layers on; in the inspector a page down"),
    ]

    static let picker: [KeyBinding] = [
        KeyBinding(.picker, [" "], .choose, "Choose", "choose the precision under the cursor, or not", footer: 1),
        KeyBinding(.picker, ["a"], .applyPending, "Apply", "take the choices over", footer: 3),
        KeyBinding(
            .picker, [.enter], .chooseOrApply, "Choose, apply", "choose the precision under the cursor; again: apply",
            footer: 2),
        KeyBinding(.picker, [.up, "k"], .moveUp, "Up", "the GEMM above"),
        KeyBinding(.picker, [.down, "j"], .moveDown, "Down", "the GEMM below"),
        KeyBinding(.picker, [.left, "h"], .moveLeft, "Left", "a narrower precision"),
        KeyBinding(.picker, [.right, "l"], .moveRight, "Right", "a wider precision"),
        KeyBinding(.picker, [.control("c")], .askToQuit, "Quit", "quit, after a question"),
        KeyBinding(.picker, [.control("l")], .redraw, "Redraw", "draw the whole screen anew"),
        KeyBinding(.picker, [.control("z")], .suspend, "Suspend", "suspend the program"),
        KeyBinding(.picker, [.escape, "q"], .close, "Cancel", "close and change nothing", footer: 4),
    ]
}
