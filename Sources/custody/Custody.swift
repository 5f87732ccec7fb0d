import ArgumentParser

@main
struct Custody: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "custody",
        abstract: "Connects many marketplaces to a custody bank.",
        subcommands: [Migrate.self]
    )
}
