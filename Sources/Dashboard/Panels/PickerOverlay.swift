import Core

/// The precision of each GEMM of the selected modules: what is in use, what is chosen, and what it costs in theory.
enum PickerOverlay {
    static func draw(_ state: DashboardState, _ picker: PrecisionPicker, into frame: inout Frame) {
        let map = state.map
        let glyphs = Glyphs.of(state.glyphs)
        let size = frame.size
        let lines = lines(map, picker, isWide: size.width >= 76)
        let width = size.width >= 76 ? 72 : min(size.width - 2, 44)
        let area = frame.bounds.centred(Size(width: width, height: min(size.height - 2, lines.count + 2)))
        frame.fill(area, .text)
        let inside = area.inset(x: 2, y: 1)
        for (index, line) in lines.prefix(inside.height).enumerated() {
            var x = inside.x
            for (text, style) in line {
                x = frame.put(text, x: x, y: inside.y + index, limit: max(0, inside.right - x), style)
            }
        }
        let count = picker.modules.count
        let subject = count == 1 ? picker.modules[0].description : "\(count) modules"
        frame.box(
            area, title: TitleBar.shortened("Precision of \(subject)", to: area.width - 6, glyphs), glyphs: glyphs,
            hasFocus: true)
    }

    private typealias Line = [(String, Style)]

    /// The choices first, then what there may be no room for, the most important first.
    private static func lines(_ map: PrecisionMap, _ picker: PrecisionPicker, isWide: Bool) -> [Line] {
        let formats = picker.modules.compactMap { map.formats[$0] }
        guard let recipe = map.recipe, let model = map.model, let first = formats.first else { return [] }
        let plain = Style(.barText)
        var lines: [Line] = (0...GEMMKind.allCases.count).map { choices($0, picker, formats, recipe) }

        let rows = map.modules.filter(Set(picker.modules).contains)
        let costs = CostModel(model, vocabularySize: map.vocabularySize)
        var plan = PrecisionPlan(general: LinearFormats(.bf16), linears: map.formats, attentionCore: .bf16)
        let options = CostModel.Options(includesHead: true)
        let before = (costs.cost(of: rows, plan), costs.cost(of: plan, options))
        for path in rows {
            if let now = map.formats[path] { plan.linears[path] = picker.target.formats(over: now, recipe) }
        }
        let after = (costs.cost(of: rows, plan), costs.cost(of: plan, options))
        lines.append([
            (isWide ? "theoretical cost of BF16's: selected " : "cost ", plain),
            (change(before.0, after.0, isWide ? 1 : 0), Style(.emphasis, .bold)), ("  step ", plain),
            (change(before.1, after.1, 1), Style(.emphasis, .bold)),
        ])
        let name = picker.gemm?.rawValue ?? "module"
        if let gemm = picker.gemm {
            let then = recipe.formats(gemm, picker.precision)
            lines.append([
                ("\(isWide ? "\(recipe.name): " : "")\(name) in \(picker.precision.rawValue) is ", plain),
                (text(then), .text),
            ])
        } else {
            let then = recipe.gemms(of: picker.precision)
            lines.append([("\(recipe.name): \(picker.precision.rawValue) is ", plain), ("\(then)", .text)])
        }
        lines.append([("= in use  ~ in some  ", plain), ("*", Style(.warning, .bold)), (" chosen", plain)])
        guard isWide else { return lines }
        lines.append([])
        let isUniform = formats.allSatisfy { $0 == first }
        lines.append([(isUniform ? "then the formats are" : "then the formats of \(picker.modules[0]) are", plain)])
        let result = picker.target.formats(over: first, recipe)
        for gemm in GEMMKind.allCases {
            let isChanged = result[gemm] != first[gemm]
            lines.append([
                (" \(gemm.rawValue)  ", plain), (text(result[gemm]), isChanged ? Style(.warning, .bold) : .text),
            ])
        }
        return lines
    }

    private static func choices(
        _ row: Int, _ picker: PrecisionPicker, _ formats: [LinearFormats], _ recipe: Recipe
    ) -> Line {
        let gemm = row == 0 ? nil : GEMMKind.allCases[row - 1]
        func isUsed(_ precision: Precision, _ formats: LinearFormats) -> Bool {
            guard let gemm else { return formats.precisions == recipe.gemms(of: precision) }
            return formats[gemm].precision == precision
        }
        let isCurrentRow = row == picker.row
        var line: Line = [
            (isCurrentRow ? "> " : "  ", Style(.strong, .bold)),
            (padded(gemm?.rawValue ?? "all", 6), isCurrentRow ? Style(.strong, .bold) : .text),
        ]
        for (column, precision) in Precision.allCases.enumerated() {
            let count = formats.count { isUsed(precision, $0) }
            let isChosen = picker.chosen(gemm) == precision
            let mark = isChosen ? "*" : count == formats.count ? "=" : count > 0 ? "~" : " "
            let attributes: Attributes = isCurrentRow && column == picker.column ? [.reverse, .bold] : []
            let isBracketed = isCurrentRow && column == picker.column
            let style = Style(
                isChosen ? .warning : count > 0 ? PrecisionPanel.role(precision) : .barText, on: .background, attributes
            )
            line.append((" ", .text))
            line.append(
                (padded("\(isBracketed ? "[" : " ")\(mark)\(precision.rawValue)\(isBracketed ? "]" : "")", 7), style))
        }
        let used = Precision.allCases.filter { precision in formats.contains { isUsed(precision, $0) } }
        let isUniform = formats.allSatisfy { one in used.count == 1 && isUsed(used[0], one) }
        line.append((isUniform ? "" : " mixed", Style(.barText)))
        return line
    }

    private static func change(_ before: Double, _ after: Double, _ decimals: Int) -> String {
        func percent(_ value: Double) -> String { "\(NumberText.trimmed(NumberText.fixed(100 * value, decimals)))%" }
        return before == after ? percent(before) : "\(percent(before)) > \(percent(after))"
    }

    static func text(_ formats: GEMMFormats) -> String {
        formats.a == formats.b ? "\(formats.a)" : "\(formats.a) with \(formats.b)"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

extension CostModel {
    /// The cost of some linears, BF16 being 1.
    func cost(of linears: [ModulePath], _ plan: PrecisionPlan) -> Double {
        var (cost, total) = (0.0, 0.0)
        for path in linears {
            let flops = flops(of: path)
            for gemm in GEMMKind.allCases {
                total += flops
                cost += flops * plan[path][gemm].widest.relativeCost
            }
        }
        return total > 0 ? cost / total : 1
    }
}
