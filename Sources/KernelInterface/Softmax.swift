/// The largest of scale · s.
@inlinable @inline(always)
public func largestScaled(_ s: ReadRow, _ scale: Float, _ count: Int) -> Float {
    var top = splat(-Float.infinity)
    forEachStrip(count) { i, n in
        top = maximum(top, keep(load(s + i, n) * splat(scale), n, filler: -Float.infinity))
    }
    return largest(top)
}

@inlinable @inline(always)
public func softmaxBody(_ s: WriteRow, _ scale: Float, _ count: Int) -> Float {
    if count == 0 { return -Float.infinity }
    let top = largestScaled(s, scale, count)
    var total = Vector()
    forEachStrip(count) { i, n in
        let power = exp(fma(load(s + i, n), splat(scale), splat(-top)))
        store(power, s + i, n)
        total += keep(power, n)
    }
    let denominator = sum(total)
    scaleBody(s, 1 / denominator, count)
    return top + naturalLogarithm(denominator)
}

@inlinable @inline(always)
public func softmaxBackwardBody(
    _ s: WriteRow, _ dP: WriteRow, _ logSumExp: Float, _ delta: Float, _ scale: Float, _ count: Int
) {
    forEachStrip(count) { i, n in
        let probability = exp(fma(load(s + i, n), splat(scale), splat(-logSumExp)))
        store(probability, s + i, n)
        store(probability * (load(dP + i, n) - splat(delta)) * splat(scale), dP + i, n)
    }
}

/// The sum of 0 · logit, `poison`, makes the loss NaN when a logit is not finite, −∞ included.
@inlinable @inline(always)
public func crossEntropyBody(_ logits: WriteRow, _ target: Int, _ gradientScale: Float, _ count: Int) -> Float {
    let targetLogit = logits[target]
    let top = largestScaled(logits, 1, count)
    var total = Vector()
    var poison = Vector()
    forEachStrip(count) { i, n in
        let logit = load(logits + i, n)
        let power = exp(logit - splat(top))
        store(power, logits + i, n)
        total += keep(power, n)
        poison = fma(logit, splat(0), poison)
    }
    let denominator = sum(total)
    scaleBody(logits, gradientScale / denominator, count)
    logits[target] -= gradientScale
    return (top - targetLogit) + naturalLogarithm(denominator) + sum(poison)
}

@inlinable @inline(always)
public func crossEntropyLossBody(_ logits: ReadRow, _ target: Int, _ count: Int) -> Float {
    let top = largestScaled(logits, 1, count)
    var total = Vector()
    var poison = Vector()
    forEachStrip(count) { i, n in
        let logit = load(logits + i, n)
        total += keep(exp(logit - splat(top)), n)
        poison = fma(logit, splat(0), poison)
    }
    return (top - logits[target]) + naturalLogarithm(sum(total)) + sum(poison)
}
