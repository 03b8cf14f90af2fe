import Core

/// What the events panel and the prompt ask of the precision map. This file goes when the map answers it.
extension DashboardState {
    /// Puts the map's cursor on a module.
    mutating func showModule(_ path: ModulePath) {}

    /// Selects the modules that a pattern matches.
    mutating func selectModules(matching text: String) {}
}
