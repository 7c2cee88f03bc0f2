# In the documentation: where things of the source are once the package is installed. What is done without the package
# keeps the paths of the source.
/^    install -/b
s#\(\.\./\)\?conf/mailward\.toml#/etc/mailward/mailward.toml#g
s#\(\.\./\)\?conf/policy\.toml#/usr/share/doc/mailward/examples/policy.toml#g
s#conf/\(prometheus\|grafana\|sendmail\)/#/usr/share/mailward/\1/#g
s#](\.\./rules/)#](../examples/rules/)#g
s#](\(\.\./\)\?\(postfix\|dovecot-sieve\)/)#](/usr/share/mailward/\2/)#g
s#](\.\./debian/mailward\.README\.Debian)#](../README.Debian)#g
s#](mailward\.8)#](/usr/share/man/man8/mailward.8.gz)#g
s#](LICENSE)#](copyright)#g
s#\[\([^]]*\)\](\(src/lib\.rs\|CONTRIBUTING\.md\))#\1#g
