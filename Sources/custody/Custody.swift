import ArgumentParser

@main
struct Custody: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "custody",
        abstract: "Connects many marketplaces to a custody bank.",
        subcommands: [
            Serve.self, Work.self, Simulate.self, Demo.self, Migrate.self, TenantCommand.self, KeyCommand.self,
            JobCommand.self,
            StatementCommand.self, Doctor.self, Export.self, Audit.self, Bench.self,
        ]
    )

    static func main() async {
        ParentWatch.begin()
        await main(nil)
    }
}
