import ArgumentParser

@main
struct Custody: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "custody",
        abstract: "Connects many marketplaces to a custody bank.",
        subcommands: [
            Work.self, Simulate.self, Migrate.self, TenantCommand.self, KeyCommand.self, JobCommand.self,
            StatementCommand.self,
        ]
    )
}
