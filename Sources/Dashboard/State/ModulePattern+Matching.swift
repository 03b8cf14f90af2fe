import Core

extension ModulePattern {
    /// The shortest pattern known that matches exactly these linears of a model.
    init(matching modules: Set<ModulePath>, of model: ModelConfiguration) throws(UserError) {
        try self.init(parsing: Self.text(matching: modules, of: model))
    }

    /// Modules with the same names in each of several layers.
    private struct Block {
        var layers: [Int]
        var names: [String]
    }

    private static func text(matching modules: Set<ModulePath>, of model: ModelConfiguration) -> String {
        let names = model.layerLinears
        var byLayer: [[String]: [Int]] = [:]
        var byName: [[Int]: [String]] = [:]
        for layer in 0..<model.layers {
            let found = names.filter { modules.contains(.layer(layer, $0)) }
            if !found.isEmpty { byLayer[found, default: []].append(layer) }
        }
        for name in names {
            let found = (0..<model.layers).filter { modules.contains(.layer($0, name)) }
            if !found.isEmpty { byName[found, default: []].append(name) }
        }
        let divisions = [
            byLayer.map { Block(layers: $1, names: $0) }.sorted { $0.layers[0] < $1.layers[0] },
            byName.map { Block(layers: $0, names: $1) }.sorted { order($0, names) < order($1, names) },
        ]
        let texts = divisions.map { text($0, withHead: modules.contains(.head), model) }
        return texts[0].count <= texts[1].count ? texts[0] : texts[1]
    }

    private static func order(_ block: Block, _ names: [String]) -> Int {
        block.names.first.flatMap { names.firstIndex(of: $0) } ?? 0
    }

    /// Choices in braces can't stand in each other, so several blocks are written out as one choice.
    private static func text(_ blocks: [Block], withHead: Bool, _ model: ModelConfiguration) -> String {
        if withHead, blocks.count == 1, blocks[0].layers.count == model.layers,
            blocks[0].names.count == model.layerLinears.count
        {
            return "*"
        }
        if !withHead, blocks.count == 1 {
            let layers = layerItems(blocks[0].layers, model)
            return text(layers: choice(layers), names: nameChoice(blocks[0].names, model), model)
        }
        var choices = blocks.flatMap { block in
            layerItems(block.layers, model).flatMap { layer in
                nameItems(block.names, model).map { text(layers: layer, names: $0, model) }
            }
        }
        if withHead { choices.append(ModulePath.head.description) }
        return choice(choices)
    }

    private static func text(layers: String, names: String, _ model: ModelConfiguration) -> String {
        if layers == "*" { return names == "*" ? "layers.*" : names }
        return "layers.\(layers).\(names)"
    }

    private static func choice(_ items: [String]) -> String {
        items.count == 1 ? items[0] : "{\(items.joined(separator: ","))}"
    }

    /// `*`, or layers one by one and as ranges.
    private static func layerItems(_ layers: [Int], _ model: ModelConfiguration) -> [String] {
        if layers.count == model.layers { return ["*"] }
        var ranges: [ClosedRange<Int>] = []
        for layer in layers {
            if let last = ranges.last, last.upperBound == layer - 1 {
                ranges[ranges.count - 1] = last.lowerBound...layer
            } else {
                ranges.append(layer...layer)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    }

    /// `*`, or families such as `attn.*` where all of one are there, and single names.
    private static func nameItems(_ names: [String], _ model: ModelConfiguration) -> [String] {
        let all = model.layerLinears
        if names.count == all.count { return ["*"] }
        return ["attn", "mlp"].flatMap { family in
            let found = names.filter { $0.hasPrefix(family) }
            return found.count == all.count { $0.hasPrefix(family) } ? ["\(family).*"] : found
        }
    }

    private static func nameChoice(_ names: [String], _ model: ModelConfiguration) -> String {
        let items = nameItems(names, model)
        let families = Set(items.map { $0.prefix { $0 != "." } })
        guard items.count > 1, families.count == 1, let family = families.first else { return choice(items) }
        return "\(family).{\(items.map { $0.dropFirst(family.count + 1) }.joined(separator: ","))}"
    }
}
