import ArgumentParser
import CustodyAPI
import Foundation
import Yams

/// Configuration: a flag counts before the environment (`CUSTODY_…`), that before a file, that before the default.
///
/// The file is YAML with the environment's names in lower case and without their prefix, such as `database_url`. Secrets are
/// not written into it: the settings name the files that hold them.
struct Settings: ParsableArguments {
    /// What the help of commands that read settings says of them.
    static let discussion = """
        What is not said by an option is read from the environment, under the option's name in upper case with CUSTODY_ \
        before it, such as CUSTODY_MASTER_KEY_FILE, and then from the file of --config, under that name in lower case \
        without CUSTODY_. Settings without an option: CUSTODY_DATABASE_PASSWORD_FILE, CUSTODY_SYSTEM_DATABASE_URL, \
        CUSTODY_SYSTEM_DATABASE_PASSWORD_FILE, CUSTODY_LISTEN_DATABASE_URL, CUSTODY_POOLED, CUSTODY_LOG_LEVEL.
        """

    @Option(help: "A YAML file with settings (CUSTODY_CONFIG); flags and the environment count before it.")
    var config: String?

    /// Every setting that a file may have.
    static let known: Set<String> = [
        "admin_listen", "admin_token_file", "callback_base_url", "concurrency", "connections", "contract",
        "database_password_file",
        "database_url", "listen", "listen_database_url", "log_level", "master_key_file", "migrations",
        "operations_listen", "pooled", "spool_directory", "spool_limit", "system_database_password_file",
        "system_database_url", "tls_certificate_file",
        "tls_key_file", "trusted_proxies",
    ]

    /// Reads the file, if there is one; from then on all settings stand in the environment.
    ///
    /// - Throws: Exit code 2 for a file that cannot be read, or that has a setting nobody knows.
    func load() throws {
        guard let path = config ?? Settings.environment("config") else { return }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw Settings.refusal("the settings file cannot be read: \(path)")
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw Settings.refusal("the settings file is not YAML: \(path)")
        }
        guard let node else { return }
        guard let mapping = node.mapping else { throw Settings.refusal("the settings file is not a mapping: \(path)") }
        for (key, value) in mapping {
            guard let name = key.string, Settings.known.contains(name) else {
                throw Settings.refusal("the settings file has an unknown setting: \(key.string ?? "?")")
            }
            guard let text = value.scalar?.string else {
                throw Settings.refusal("the setting \(name) is not a single value")
            }
            setenv("CUSTODY_" + name.uppercased(), text, 0)
        }
    }

    /// A setting from the environment, or from the file that was loaded into it; nil when it is absent or empty.
    static func environment(_ name: String) -> String? {
        let text = ProcessInfo.processInfo.environment["CUSTODY_" + name.uppercased()]
        return text.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A setting, from the flag or else from the environment, read as what it has to be.
    static func value<Value: ExpressibleByArgument>(
        _ flag: Value?, _ name: String, default fallback: @autoclosure () -> Value
    ) throws -> Value {
        if let flag { return flag }
        guard let text = environment(name) else { return fallback() }
        guard let value = Value(argument: text) else { throw refusal("the setting \(name) is not what it has to be") }
        return value
    }

    /// A setting that counts something, so that there is at least one.
    static func count(_ flag: Int?, _ name: String, default fallback: Int) throws -> Int {
        let count = try value(flag, name, default: fallback)
        guard count > 0 else { throw refusal("the setting \(name) is not what it has to be") }
        return count
    }

    /// A setting that says where to listen.
    static func address(
        _ flag: ListenAddress?, _ name: String, _ host: String, _ port: Int
    ) throws -> APIConfiguration.Address {
        let found = try value(flag, name, default: ListenAddress(host: host, port: port))
        return APIConfiguration.Address(host: found.host, port: found.port)
    }

    /// Says on standard error what is wrong with the configuration.
    private static func refusal(_ text: String) -> ExitCode {
        FileHandle.standardError.write(Data("custody: \(text)\n".utf8))
        return ExitCode(2)
    }
}
