# bash completion for oxidicom and its stages. Options and commands are taken from --help, so that they match
# the release that is installed.
_oxidicom_said() { # WORD…: what the command line up to here says about itself
    "$@" --help 2>/dev/null
}

_oxidicom() {
    local program=$1 current=$2 before=$3 command= words
    COMPREPLY=()
    if [ "$before" = --stages ]; then
        words="listener writer notifier"
    else
        if [[ ${program##*/} = oxidicom && $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} != -* ]]; then
            command=${COMP_WORDS[1]}
        fi
        words=$(_oxidicom_said "$program" ${command:+"$command"} | grep -E '^ *--|^Options:' |
            grep -oE -- '--[a-z][a-z-]*' | sort -u)
        if [[ ${program##*/} = oxidicom && $COMP_CWORD -eq 1 ]]; then
            words+=" $(_oxidicom_said "$program" | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')"
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _oxidicom oxidicom oxidicom-listener oxidicom-writer oxidicom-notifier
