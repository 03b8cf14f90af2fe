/// How characters that must meet their neighbours are drawn: lines, blocks and dots fill their cells whatever the font.
enum CellShapes {
    /// In units of pictures, from the upper left of the picture.
    enum Shape: Hashable {
        case rectangle(x: Double, y: Double, width: Double, height: Double, opacity: Double)
        case dot(x: Double, y: Double)
        /// A quarter of an ellipse from a vertical to a horizontal line, bent at the middle of the cell.
        case corner(fromX: Double, fromY: Double, middleX: Double, middleY: Double, toX: Double, toY: Double)
    }

    /// A cell of a picture.
    struct Box {
        var x: Double
        var y: Double
        var width: Double
        var height: Double
        /// Of light lines.
        var stroke: Double
    }

    /// nil for characters that the font draws.
    static func shapes(of scalar: Unicode.Scalar, in box: Box) -> [Shape]? {
        switch scalar.value {
        case 0x2801...0x28FF: braille(UInt8(truncatingIfNeeded: scalar.value), box)
        case 0x2580...0x2590, 0x2594, 0x2595: block(scalar.value, box)
        case 0x2591...0x2593: shade(Double(scalar.value - 0x2590) / 4, box)
        case 0x256D...0x2570: corner(scalar.value, box)
        default: dashes(scalar, box) ?? lines[scalar].map { arms($0, box) }
        }
    }

    private static func braille(_ dots: UInt8, _ box: Box) -> [Shape] {
        (0..<8).filter { dots & 1 << $0 != 0 }.map { bit in
            let (column, row) = bit < 6 ? (bit / 3, bit % 3) : (bit - 6, 3)
            return .dot(
                x: box.x + box.width * (Double(column) + 0.5) / 2, y: box.y + box.height * (Double(row) + 0.5) / 4)
        }
    }

    private static func part(
        _ box: Box, x: Double = 0, y: Double = 0, width: Double = 1, height: Double = 1, opacity: Double = 1
    ) -> [Shape] {
        [
            .rectangle(
                x: box.x + x * box.width, y: box.y + y * box.height, width: width * box.width,
                height: height * box.height, opacity: opacity)
        ]
    }

    private static func shade(_ opacity: Double, _ box: Box) -> [Shape] { part(box, opacity: opacity) }

    private static func block(_ value: UInt32, _ box: Box) -> [Shape] {
        switch value {
        case 0x2580: return part(box, height: 0.5)
        case 0x2581...0x2588:
            let height = Double(value - 0x2580) / 8
            return part(box, y: 1 - height, height: height)
        case 0x2589...0x258F: return part(box, width: Double(0x2590 - value) / 8)
        case 0x2590: return part(box, x: 0.5, width: 0.5)
        case 0x2594: return part(box, height: 0.125)
        default: return part(box, x: 0.875, width: 0.125)
        }
    }

    /// ╭ ╮ ╯ ╰
    private static func corner(_ value: UInt32, _ box: Box) -> [Shape] {
        let (middleX, middleY) = (box.x + box.width / 2, box.y + box.height / 2)
        let isRight = value == 0x256D || value == 0x2570
        let isDown = value == 0x256D || value == 0x256E
        return [
            .corner(
                fromX: middleX, fromY: isDown ? box.y + box.height : box.y, middleX: middleX, middleY: middleY,
                toX: isRight ? box.x + box.width : box.x, toY: middleY)
        ]
    }

    /// Thickness of a line from the middle to each side: 0 none, 1 light, 2 heavy.
    private struct Arms {
        var left = 0
        var right = 0
        var up = 0
        var down = 0
    }

    private static let lines: [Unicode.Scalar: Arms] = [
        "─": Arms(left: 1, right: 1), "━": Arms(left: 2, right: 2), "│": Arms(up: 1, down: 1),
        "┃": Arms(up: 2, down: 2), "┌": Arms(right: 1, down: 1), "┐": Arms(left: 1, down: 1),
        "└": Arms(right: 1, up: 1), "┘": Arms(left: 1, up: 1), "├": Arms(right: 1, up: 1, down: 1),
        "┤": Arms(left: 1, up: 1, down: 1), "┬": Arms(left: 1, right: 1, down: 1), "┴": Arms(left: 1, right: 1, up: 1),
        "┼": Arms(left: 1, right: 1, up: 1, down: 1),
    ]

    private static func arms(_ arms: Arms, _ box: Box) -> [Shape] {
        let (middleX, middleY) = (box.x + box.width / 2, box.y + box.height / 2)
        func horizontal(_ from: Double, _ to: Double, _ weight: Int) -> Shape {
            let stroke = box.stroke * Double(weight)
            return .rectangle(x: from, y: middleY - stroke / 2, width: to - from, height: stroke, opacity: 1)
        }
        func vertical(_ from: Double, _ to: Double, _ weight: Int) -> Shape {
            let stroke = box.stroke * Double(weight)
            return .rectangle(x: middleX - stroke / 2, y: from, width: stroke, height: to - from, opacity: 1)
        }
        let half = box.stroke / 2
        var shapes: [Shape] = []
        if arms.left > 0, arms.left == arms.right {
            shapes.append(horizontal(box.x, box.x + box.width, arms.left))
        } else {
            if arms.left > 0 { shapes.append(horizontal(box.x, middleX + half, arms.left)) }
            if arms.right > 0 { shapes.append(horizontal(middleX - half, box.x + box.width, arms.right)) }
        }
        if arms.up > 0, arms.up == arms.down {
            shapes.append(vertical(box.y, box.y + box.height, arms.up))
        } else {
            if arms.up > 0 { shapes.append(vertical(box.y, middleY + half, arms.up)) }
            if arms.down > 0 { shapes.append(vertical(middleY - half, box.y + box.height, arms.down)) }
        }
        return shapes
    }

    /// Lines across the cell with gaps.
    private static func dashes(_ scalar: Unicode.Scalar, _ box: Box) -> [Shape]? {
        let counts: [Unicode.Scalar: Int] = ["╌": 2, "┄": 3, "┈": 4]
        guard let count = counts[scalar] else { return nil }
        let each = box.width / Double(count)
        return (0..<count).map { index in
            .rectangle(
                x: box.x + each * (Double(index) + 0.15), y: box.y + box.height / 2 - box.stroke / 2, width: each * 0.7,
                height: box.stroke, opacity: 1)
        }
    }
}
