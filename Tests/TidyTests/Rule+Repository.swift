import Foundation

extension Rule {
    static let repositoryRules: [Rule] = [
        Rule(
            "nothing is left to do", in: .text,
            instead: "do it now, or open an issue",
            keeps: ["Sources/CustodyAPI/A.swift": "// the method"],
            breaks: [
                "Sources/CustodyAPI/B.swift": "// TO" + "DO: later",
                "sql/migrations/0001_create_b.sql": "-- FIX" + "ME",
                "README.md": "X" + "XX",
            ],
            files: { _ in true },
            isBad: { line in ["TO" + "DO", "FIX" + "ME", "X" + "XX"].contains { line.hasWord($0) } }
        ),
        Rule(
            "no path of one machine is written down", in: .text,
            instead: "say it relative to the checkout, or take it from the environment",
            keeps: ["scripts/a.sh": "cd /tmp; cat /proc/1/stat; curl http://example.com/etc/home/x"],
            breaks: [
                "scripts/b.sh": "cd /wo" + "rk/main",
                "README.md": "see /ho" + "me/alice/custody",
                "docs/a.md": "in ../sha" + "red/product.md",
                "scripts/c.sh": "ls \"/ro" + "ot/.cache\"",
                "Makefile": "PATH=/opt/sw" + "ift/usr/bin",
            ],
            files: { _ in true },
            isBad: { line in
                line.contains(#/(^|[\s"'`=:(])\/(work|home|root|Users|opt\/swift)\//#)
                    || line.contains("../sha" + "red")
            }
        ),
        Rule(
            "migrations are numbered without gaps and named NNNN_verb_noun.sql",
            keeps: [
                "sql/migrations/0001_create_roles.sql": "", "sql/migrations/0002_add_due_at_to_job.sql": "",
                "sql/migrations/0002_add_due_at_to_job.after.sql": "",
            ],
            breaks: [
                "sql/migrations/0002_create_a.sql": "", "sql/migrations/0001_roles.sql": "",
                "sql/migrations/1_create_a.sql": "", "sql/migrations/0001_Create_a.sql": "",
            ]
        ) { tree in
            let folder = "sql/migrations/"
            let names = tree.paths.filter { $0.hasPrefix(folder) }.map { String($0.dropFirst(folder.count)) }.sorted()
            let badNames = names.filter { !$0.contains(#/^\d{4}_[a-z]+(_[a-z0-9]+)+(\.before|\.after)?\.sql$/#) }
            let numbers = Set(names.compactMap { Int($0.prefix(4)) }).sorted()
            return badNames.map { Violation(path: folder + $0, line: 1, message: "not NNNN_verb_noun.sql") }
                + zip(numbers, 1...).filter { $0 != $1 }.prefix(1).map {
                    Violation(path: folder, line: 1, message: "number \($1) is missing")
                }
                + Dictionary(grouping: names.filter { $0.firstMatch(of: #/\.(before|after)\./#) == nil }) {
                    $0.prefix(4)
                }
                .filter { $1.count > 1 }
                .map { Violation(path: folder, line: 1, message: "number \($0.key) stands twice") }
        },
        Rule(
            "Package.resolved is ignored, not committed",
            keeps: [".gitignore": ".build/\nPackage.resolved"],
            breaks: [".gitignore": ".build/"]
        ) { tree in
            let isIgnored = tree.files[".gitignore"]?.lines.contains("Package.resolved") == true
            return isIgnored ? [] : [Violation(path: ".gitignore", line: 1, message: "ignore Package.resolved")]
        },
    ]
}
