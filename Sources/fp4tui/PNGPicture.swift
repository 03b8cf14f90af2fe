import Core
import Dashboard
import Foundation

/// Draws frames in pixels with the library cairo, if it is installed on this machine.
enum PNGPicture {
    /// - Parameter scale: pixels for each unit of the drawing.
    /// - Throws: `UserError` if there is no cairo, or it cannot draw a picture of this size.
    static func png(_ frame: Frame, theme: Theme, scale: Double) throws(UserError) -> Data {
        let drawing = FrameDrawing(frame, theme: theme)
        let canvas = try CairoCanvas(
            width: Int((drawing.width * scale).rounded(.up)), height: Int((drawing.height * scale).rounded(.up)))
        canvas.scale(scale)
        canvas.setColour(drawing.background)
        canvas.fill(x: 0, y: 0, width: drawing.width, height: drawing.height)
        for part in drawing.backgrounds + drawing.rectangles {
            canvas.setColour(part.colour, opacity: part.opacity)
            canvas.fill(x: part.x, y: part.y, width: part.width, height: part.height)
        }
        for corner in drawing.corners {
            canvas.setColour(corner.colour)
            canvas.stroke(corner, thickness: drawing.metrics.stroke)
        }
        for dot in drawing.dots {
            canvas.setColour(dot.colour)
            canvas.fillCircle(x: dot.x, y: dot.y, radius: drawing.metrics.dot / 2)
        }
        let metrics = drawing.metrics
        for isBold in [false, true] {
            canvas.setFont(isBold: isBold, cellWidth: metrics.cellWidth, largestSize: metrics.fontSize)
            for word in drawing.words where word.isBold == isBold {
                canvas.setColour(word.colour)
                // Each character in its own cell: fonts that are not monospaced keep to the grid too.
                for (index, scalar) in word.text.unicodeScalars.enumerated() {
                    canvas.show(
                        String(Character(scalar)), x: word.x + Double(index) * metrics.cellWidth, y: word.baseline)
                }
                if word.isUnderlined {
                    canvas.fill(
                        x: word.x, y: word.baseline + metrics.stroke, width: Double(word.columns) * metrics.cellWidth,
                        height: metrics.stroke)
                }
            }
        }
        return try canvas.png()
    }
}

/// The part of cairo that pictures of frames need, loaded at run time so that the program does not depend on it.
private final class CairoCanvas {
    private typealias Pointer = UnsafeMutableRawPointer
    private typealias Make = @convention(c) (Int32, Int32, Int32) -> Pointer?
    private typealias MakeFrom = @convention(c) (Pointer?) -> Pointer?
    private typealias Act = @convention(c) (Pointer?) -> Void
    private typealias Status = @convention(c) (Pointer?) -> Int32
    private typealias One = @convention(c) (Pointer?, Double) -> Void
    private typealias Two = @convention(c) (Pointer?, Double, Double) -> Void
    private typealias Four = @convention(c) (Pointer?, Double, Double, Double, Double) -> Void
    private typealias Five = @convention(c) (Pointer?, Double, Double, Double, Double, Double) -> Void
    private typealias Six = @convention(c) (Pointer?, Double, Double, Double, Double, Double, Double) -> Void
    private typealias Face = @convention(c) (Pointer?, UnsafePointer<CChar>, Int32, Int32) -> Void
    private typealias Text = @convention(c) (Pointer?, UnsafePointer<CChar>) -> Void
    private typealias Extents = @convention(c) (Pointer?, UnsafePointer<CChar>, Pointer?) -> Void
    private typealias Sink = @convention(c) (Pointer?, UnsafePointer<UInt8>?, UInt32) -> Int32
    private typealias Write = @convention(c) (Pointer?, Sink, Pointer?) -> Int32

    private let library: Pointer
    private var surface: Pointer?
    private var context: Pointer?

    private let setSource: Four
    private let rectangle: Four
    private let fillPath: Act
    private let arc: Five
    private let moveTo: Two
    private let curveTo: Six
    private let setLineWidth: One
    private let strokePath: Act
    private let selectFace: Face
    private let setFontSize: One
    private let textExtents: Extents
    private let showText: Text
    private let scaleBy: Two
    private let writePNG: Write
    private let destroyContext: Act
    private let destroySurface: Act

    /// - Throws: `UserError` if cairo is not there, or lacks memory.
    init(width: Int, height: Int) throws(UserError) {
        let names = ["libcairo.so.2", "libcairo.2.dylib", "/opt/homebrew/lib/libcairo.2.dylib", "libcairo.so"]
        guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first else {
            throw UserError(
                "--format png needs the library cairo, which is not installed: libcairo2 on Debian and Ubuntu, cairo "
                    + "elsewhere; --format svg needs nothing")
        }
        self.library = library
        func function<Function>(_ name: String, _ type: Function.Type) throws(UserError) -> Function {
            guard let symbol = dlsym(library, name) else {
                throw UserError("--format png: the library cairo that is installed has no \(name)")
            }
            return unsafeBitCast(symbol, to: type)
        }
        setSource = try function("cairo_set_source_rgba", Four.self)
        rectangle = try function("cairo_rectangle", Four.self)
        fillPath = try function("cairo_fill", Act.self)
        arc = try function("cairo_arc", Five.self)
        moveTo = try function("cairo_move_to", Two.self)
        curveTo = try function("cairo_curve_to", Six.self)
        setLineWidth = try function("cairo_set_line_width", One.self)
        strokePath = try function("cairo_stroke", Act.self)
        selectFace = try function("cairo_select_font_face", Face.self)
        setFontSize = try function("cairo_set_font_size", One.self)
        textExtents = try function("cairo_text_extents", Extents.self)
        showText = try function("cairo_show_text", Text.self)
        scaleBy = try function("cairo_scale", Two.self)
        writePNG = try function("cairo_surface_write_to_png_stream", Write.self)
        destroyContext = try function("cairo_destroy", Act.self)
        destroySurface = try function("cairo_surface_destroy", Act.self)
        let makeSurface = try function("cairo_image_surface_create", Make.self)
        let makeContext = try function("cairo_create", MakeFrom.self)
        let status = try function("cairo_status", Status.self)
        let rgb24: Int32 = 1
        surface = makeSurface(rgb24, Int32(clamping: width), Int32(clamping: height))
        context = makeContext(surface)
        guard status(context) == 0 else {
            throw UserError("--format png: cairo cannot make a picture of \(width) by \(height) pixels")
        }
    }

    deinit {
        destroyContext(context)
        destroySurface(surface)
    }

    func scale(_ factor: Double) { scaleBy(context, factor, factor) }

    func setColour(_ colour: RGB, opacity: Double = 1) {
        setSource(context, Double(colour.red) / 255, Double(colour.green) / 255, Double(colour.blue) / 255, opacity)
    }

    func fill(x: Double, y: Double, width: Double, height: Double) {
        rectangle(context, x, y, width, height)
        fillPath(context)
    }

    func fillCircle(x: Double, y: Double, radius: Double) {
        arc(context, x, y, radius, 0, 2 * Double.pi)
        fillPath(context)
    }

    func stroke(_ corner: FrameDrawing.Corner, thickness: Double) {
        // A quadratic curve as the cubic one that it equals.
        let first = corner.from + (corner.middle - corner.from) * (2.0 / 3)
        let second = corner.to + (corner.middle - corner.to) * (2.0 / 3)
        setLineWidth(context, thickness)
        moveTo(context, corner.from.x, corner.from.y)
        curveTo(context, first.x, first.y, second.x, second.y, corner.to.x, corner.to.y)
        strokePath(context)
    }

    /// The monospaced font of this machine, as large as cells of this width allow.
    func setFont(isBold: Bool, cellWidth: Double, largestSize: Double) {
        let (normalSlant, normalWeight, boldWeight): (Int32, Int32, Int32) = (0, 0, 1)
        selectFace(context, "monospace", normalSlant, isBold ? boldWeight : normalWeight)
        setFontSize(context, largestSize)
        // x and y of the ink, its width and height, and the advance.
        var extents = [Double](repeating: 0, count: 6)
        extents.withUnsafeMutableBytes { textExtents(context, "0", $0.baseAddress) }
        let advance = extents[4]
        if advance > cellWidth { setFontSize(context, largestSize * cellWidth / advance) }
    }

    func show(_ text: String, x: Double, y: Double) {
        moveTo(context, x, y)
        showText(context, text)
    }

    /// - Throws: `UserError` if there is not enough memory.
    func png() throws(UserError) -> Data {
        let bytes = Bytes()
        let sink: Sink = { closure, data, count in
            if let closure, let data {
                Unmanaged<Bytes>.fromOpaque(closure).takeUnretainedValue().data.append(data, count: Int(count))
            }
            return 0
        }
        let status = writePNG(surface, sink, Unmanaged.passUnretained(bytes).toOpaque())
        guard status == 0, !bytes.data.isEmpty else {
            throw UserError("--format png: cairo cannot write the picture (status \(status))")
        }
        return bytes.data
    }

    private final class Bytes {
        var data = Data()
    }
}
