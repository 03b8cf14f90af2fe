/// What can be asked of a running engine. Commands take effect at the next step boundary, in the order sent.
public enum EngineCommand: Codable, Sendable, Hashable {
    case pause
    case resume
    /// One optimizer step; the engine pauses after it.
    case step
    /// Ends the run after the step in progress, or after its micro-batch in progress: that step is then dropped. With
    /// `save`, the model is written first.
    case stop(save: String?)
    /// Sets the peak learning rate; the schedule's shape goes on.
    case setLearningRate(Double)
    /// Sets the largest global gradient norm; 0 turns clipping off.
    case setGradientClip(Double)
    /// Sets the precision of modules, over the recipe and earlier changes.
    case setPrecision(PrecisionAssignment)
    /// Takes another recipe, and drops what was changed over the old one.
    case setRecipe(Recipe)
    /// Takes the last change of precision back.
    case undo
    /// Sets the clipping of the linears' gradients.
    case setModuleClipping(GradientClipping)
    /// Counts the codes of one linear's operands now.
    case inspect(ModulePath)
    /// Measures what each of these precisions does in every linear of the layers alone, on a copy of the model as it is,
    /// with one trial after each step.
    case measureSensitivity([Precision])
    case cancelSensitivity
    /// Changes the phases of the recipe's schedule.
    case editSchedule(ScheduleEdit)
    /// Trains a second run beside this one from here on, with this change of precision: `.setPrecision` or `.setRecipe`.
    indirect case fork(EngineCommand)
    /// Forgets the fork.
    case dropFork
    /// The fork becomes the run, and the run the fork.
    case swapFork
    /// Evaluates on the validation sample now.
    case evaluate
    /// Holds the gradients of a fixed batch against BF16's now, and times every linear's GEMMs.
    case probe
    /// Samples text now.
    case sample
    /// Writes the model to a file.
    case save(String)
    /// Writes all that a run needs to go on as if it had not been interrupted.
    case saveState(String)
}
