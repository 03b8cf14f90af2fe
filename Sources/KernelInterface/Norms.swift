@inlinable @inline(always)
public func layerNormBody(
    _ x: ReadRow, _ gain: ReadRow, _ bias: ReadRow?, _ y: WriteRow, _ count: Int, _ epsilon: Float
) -> (mean: Float, rstd: Float) {
    if count == 0 { return (0, 0) }
    let inverseCount = 1 / Float(count)
    var total = Vector()
    forEachStrip(count) { i, n in total += load(x + i, n) }
    let mean = sum(total) * inverseCount
    var squares = Vector()
    forEachStrip(count) { i, n in
        let centred = keep(load(x + i, n) - splat(mean), n)
        squares = fma(centred, centred, squares)
    }
    let rstd = 1 / fma(sum(squares), inverseCount, epsilon).squareRoot()
    if let bias {
        forEachStrip(count) { i, n in
            let normal = (load(x + i, n) - splat(mean)) * splat(rstd)
            store(fma(normal, load(gain + i, n), load(bias + i, n)), y + i, n)
        }
    } else {
        forEachStrip(count) { i, n in
            let normal = (load(x + i, n) - splat(mean)) * splat(rstd)
            store(normal * load(gain + i, n), y + i, n)
        }
    }
    return (mean, rstd)
}

@inlinable @inline(always)
public func layerNormBackwardBody(
    _ x: ReadRow, _ gain: ReadRow, _ dy: ReadRow, _ mean: Float, _ rstd: Float, _ dx: WriteRow, _ dGain: WriteRow,
    _ dBias: WriteRow?, _ count: Int
) {
    if count == 0 { return }
    let inverseCount = 1 / Float(count)
    var gradients = Vector()
    var products = Vector()
    forEachStrip(count) { i, n in
        let normal = (load(x + i, n) - splat(mean)) * splat(rstd)
        let gradient = load(dy + i, n)
        let inner = gradient * load(gain + i, n)
        gradients += inner
        products = fma(inner, normal, products)
        store(fma(gradient, normal, load(dGain + i, n)), dGain + i, n)
        if let dBias { store(load(dBias + i, n) + gradient, dBias + i, n) }
    }
    let gradientMean = splat(sum(gradients) * inverseCount)
    let productMean = splat(sum(products) * inverseCount)
    forEachStrip(count) { i, n in
        let normal = (load(x + i, n) - splat(mean)) * splat(rstd)
        let inner = load(dy + i, n) * load(gain + i, n)
        let flow = fma(-normal, productMean, inner - gradientMean)
        store(fma(flow, splat(rstd), load(dx + i, n)), dx + i, n)
    }
}

@inlinable @inline(always)
public func rmsNormBody(_ x: ReadRow, _ gain: ReadRow, _ y: WriteRow, _ count: Int, _ epsilon: Float) -> Float {
    if count == 0 { return 0 }
    let rstd = 1 / fma(dotBody(x, x, count), 1 / Float(count), epsilon).squareRoot()
    forEachStrip(count) { i, n in store(load(x + i, n) * splat(rstd) * load(gain + i, n), y + i, n) }
    return rstd
}

@inlinable @inline(always)
public func rmsNormBackwardBody(
    _ x: ReadRow, _ gain: ReadRow, _ dy: ReadRow, _ rstd: Float, _ dx: WriteRow, _ dGain: WriteRow, _ count: Int
) {
    if count == 0 { return }
    var products = Vector()
    forEachStrip(count) { i, n in
        let normal = load(x + i, n) * splat(rstd)
        let gradient = load(dy + i, n)
        products = fma(gradient * load(gain + i, n), normal, products)
        store(fma(gradient, normal, load(dGain + i, n)), dGain + i, n)
    }
    let productMean = splat(sum(products) * (1 / Float(count)))
    forEachStrip(count) { i, n in
        let normal = load(x + i, n) * splat(rstd)
        let inner = load(dy + i, n) * load(gain + i, n)
        store(fma(fma(-normal, productMean, inner), splat(rstd), load(dx + i, n)), dx + i, n)
    }
}
